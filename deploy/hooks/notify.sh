#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# after-configure, after-unconfigure, on-failure in mode args: one line to the system's log.
# A notice may come twice: the reader keys on moment and uuid.
for pair; do
	case $pair in
	moment=*) moment=${pair#*=} ;;
	uuid=*) uuid=${pair#*=} ;;
	fqdn=*) fqdn=${pair#*=} ;;
	reason=*) reason=${pair#*=} ;;
	esac
done
exec logger -t muster-hook -- "$moment uuid=$uuid fqdn=$fqdn reason=$reason"
