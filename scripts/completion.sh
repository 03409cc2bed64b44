#!/bin/bash
# completion.sh -- write bash, zsh and fish completion from what the programs say about themselves.
#
# usage: completion.sh [--remove] SHARE PROGRAM...     (SHARE: .../share of the installation)
set -eu
remove=
[ "$1" = --remove ] && remove=yes && shift
share=$1
shift
bash_dir=$share/bash-completion/completions
zsh_dir=$share/zsh/site-functions
fish_dir=$share/fish/vendor_completions.d
if [ -n "$remove" ]; then
    for program in "$@"; do
        name=${program##*/}
        rm -f "$bash_dir/$name" "$zsh_dir/_$name" "$fish_dir/$name.fish"
    done
    exit 0
fi
mkdir -p "$bash_dir" "$zsh_dir" "$fish_dir"

# Lines of --completion-data: program NAME SUMMARY | verb NAME SUMMARY |
#   option VERB LETTER LONG ARGUMENT KIND CHOICES DEFAULT HELP

write_bash() {
    awk -F '\t' -v program="$1" '
    $1 == "verb" { verbs = verbs " " $2 }
    $1 == "option" {
        verb = $2
        if ($4 != "-") words[verb] = words[verb] " --" $4
        if ($3 != "-") words[verb] = words[verb] " -" $3
        flag = ""
        if ($3 != "-") flag = "-" $3
        if ($4 != "-") flag = flag (flag == "" ? "" : "|") "--" $4
        if ($6 == "choice") {
            list = $7; gsub(",", " ", list)
            value[verb] = value[verb] "            " flag ") mapfile -t COMPREPLY < <(compgen -W \"" list "\" -- \"$cur\"); return ;;\n"
        } else if ($6 == "dir") {
            value[verb] = value[verb] "            " flag ") mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"); return ;;\n"
        } else if ($6 == "file") {
            value[verb] = value[verb] "            " flag ") mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;\n"
        } else if ($6 != "flag") {
            value[verb] = value[verb] "            " flag ") return ;;\n"
        }
        seen[verb] = 1
    }
    END {
        name = program; gsub("-", "_", name)
        printf "# completion of %s for bash\n_%s()\n{\n", program, name
        print "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb=-"
        print "    COMPREPLY=()"
        print "    if [ \"$cur\" = \"=\" ]; then cur=; elif [ \"$prev\" = \"=\" ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi"
        if (verbs != "") {
            print "    if [ \"$COMP_CWORD\" -eq 1 ]; then"
            printf "        mapfile -t COMPREPLY < <(compgen -W \"%s --help --version\" -- \"$cur\")\n        return\n    fi\n", substr(verbs, 2)
            print "    verb=${COMP_WORDS[1]}"
        }
        print "    [[ \" ${COMP_WORDS[*]:0:COMP_CWORD} \" == *\" -- \"* ]] && verb= # names only"
        print "    case $verb in"
        for (v in seen) {
            printf "    %s)\n        case $prev in\n%s        esac\n", v, value[v]
            printf "        [[ $cur == -* ]] && mapfile -t COMPREPLY < <(compgen -W \"%s\" -- \"$cur\") &&\n            [ ${#COMPREPLY[@]} -gt 0 ] && return ;;\n", substr(words[v], 2)
        }
        print "    esac"
        print "    # a name may hold spaces: one a line\n    mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")"
        printf "}\ncomplete -o filenames -o default -F _%s %s\n", name, program
    }'
}

write_zsh() {
    awk -F '\t' -v program="$1" '
    function quote(s) { gsub(/'\''/, "'\''\\'\'''\''", s); gsub(/\[/, "\\[", s); gsub(/\]/, "\\]", s); gsub(/:/, "\\:", s); return s }
    $1 == "verb" { verb_list = verb_list "        '\''" $2 ":" quote($3) "'\''\n" }
    $1 == "option" {
        action = ""
        if ($6 == "choice") { list = $7; gsub(",", " ", list); action = ":" $5 ":(" list ")" }
        else if ($6 == "dir") action = ":" $5 ":_files -/"
        else if ($6 == "file") action = ":" $5 ":_files"
        else if ($6 != "flag") action = ":" $5 ":"
        help = quote($9)
        if ($4 != "-") rows[$2] = rows[$2] " \\\n            '\''*--" $4 (action == "" ? "" : "=") "[" help "]" action "'\''"
        if ($3 != "-") rows[$2] = rows[$2] " \\\n            '\''*-" $3 "[" help "]" action "'\''"
        seen[$2] = 1
    }
    END {
        printf "#compdef %s\n# completion of %s for zsh\n", program, program
        if (verb_list != "") {
            print "local -a verbs\nverbs=(\n" verb_list ")"
            print "if (( CURRENT == 2 )); then _describe verb verbs; return; fi"
            print "local verb=$words[2]\nshift words; (( CURRENT-- ))\ncase $verb in"
            for (v in seen) if (v != "-") printf "    %s) _arguments -S%s \\\n            '\''*:file:_files'\'' ;;\n", v, rows[v]
            print "esac"
        } else {
            printf "_arguments -S%s \\\n            '\''*:file:_files'\''\n", rows["-"]
        }
    }'
}

write_fish() {
    awk -F '\t' -v program="$1" '
    function quote(s) { gsub(/\\/, "\\\\", s); gsub(/'\''/, "\\'\''", s); return s }
    BEGIN { printf "# completion of %s for fish\n", program }
    $1 == "verb" {
        printf "complete -c %s -n __fish_use_subcommand -f -a %s -d '\''%s'\''\n", program, $2, quote($3)
        has_verbs = 1
    }
    $1 == "option" {
        line = "complete -c " program
        if ($2 != "-") line = line " -n '\''__fish_seen_subcommand_from " $2 "'\''"
        if ($3 != "-") line = line " -s " $3
        if ($4 != "-") line = line " -l " $4
        if ($6 == "choice") { list = $7; gsub(",", " ", list); line = line " -x -a '\''" list "'\''" }
        else if ($6 == "file" || $6 == "dir") line = line " -r"
        else if ($6 != "flag") line = line " -x"
        print line " -d '\''" quote($9) "'\''"
    }'
}

for program in "$@"; do
    name=${program##*/}
    "$program" --completion-data | write_bash "$name" >"$bash_dir/$name"
    "$program" --completion-data | write_zsh "$name" >"$zsh_dir/_$name"
    "$program" --completion-data | write_fish "$name" >"$fish_dir/$name.fish"
done
