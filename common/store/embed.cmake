# SPDX-License-Identifier: Apache-2.0
# Files joined into one text, and that text as the initialiser of a C array:
#   cmake "-DIN=file;file" -DTEXT=file -DOUT=file.inc -P embed.cmake
execute_process(COMMAND ${CMAKE_COMMAND} -E cat ${IN} OUTPUT_FILE ${TEXT} COMMAND_ERROR_IS_FATAL ANY)
file(READ ${TEXT} hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "${bytes}\n")
