#!/bin/sh
# comma_locale.sh DIR: a locale xx_XX with decimal commas, for LOCPATH=DIR. Needs localedef (libc-bin), not the
# sources of Debian's package locales: the character map, ASCII, is written here.
set -eu
mkdir -p "$1"
awk 'BEGIN {
    print "<code_set_name> ANSI_X3.4-1968\n<comment_char> %\n<escape_char> /\nCHARMAP"
    for (i = 0; i < 128; i++)
        printf "<U%04X> /x%02x c\n", i, i
    print "END CHARMAP"
}' >"$1/ascii"
printf 'LC_NUMERIC\ndecimal_point "<U002C>"\nthousands_sep ""\ngrouping -1\nEND LC_NUMERIC\n' >"$1/comma"
localedef -c -i "$1/comma" -f "$1/ascii" "$1/xx_XX" 2>"$1/log" || [ -f "$1/xx_XX/LC_NUMERIC" ]
