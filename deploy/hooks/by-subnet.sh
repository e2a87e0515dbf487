#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Example hook of Muster in the old way: facts as arguments key=value, the answer as lines key=value.
# Names a device after its address and chooses the profile by subnet. See docs/hook.md.
set -eu
for fact in "$@"; do
	case $fact in
	address=*) address=${fact#address=} ;;
	esac
done
case ${address:-} in
10.20.*) profile=kiosk ;;
*.*.*.*) profile=default ;;
*)
	echo "no address that this site knows" >&2
	exit 10 # wait in view until somebody decides
	;;
esac
echo "fqdn=pc-$(echo "$address" | tr . -).corp.example.com"
echo "profile=$profile"
