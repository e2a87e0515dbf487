# SPDX-License-Identifier: Apache-2.0
# A file as the initialiser of a C array: cmake -DIN=file -DOUT=file.inc -P embed.cmake
file(READ ${IN} hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "${bytes}\n")
