#!/bin/bash
# readme.sh -- run the examples of a page again and put their output, as it now is, into the page.
#
# usage: readme.sh BUILD [PAGE]      (README.md; prints the page to stdout)
# In blocks fenced as ```console, a line "$ COMMAND" is run by bash in this folder, with BUILD in PATH and
# VLP_MODEL as an example sets it; its stdout, and stderr where the command says 2>&1, take the place of the
# lines below it. A first line "$ export NAME=VALUE" holds for what follows.
set -u
build=$(cd "$1" && pwd) page=${2:-README.md}
export PATH=$build:$PATH
console=0
while IFS= read -r line; do
    case $line in
    '```console') console=1 ;;
    '```') console=0 ;;
    esac
    if [ "$console" -eq 1 ] && [[ $line == '$ '* ]]; then
        printf '%s\n' "$line"
        command=${line#'$ '}
        while [[ $line == *\\ ]]; do
            IFS= read -r line || break
            printf '%s\n' "$line"
            command=${command%\\}$line
        done
        if [[ $command == 'export '* ]]; then
            eval "$command"
        else
            bash -c "$command" </dev/null 2>/dev/null
        fi
    elif [ "$console" -eq 0 ] || [ "$line" = '```console' ]; then
        printf '%s\n' "$line"
    fi
done <"$page"
