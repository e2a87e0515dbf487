#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The hook of the tests: what it does is said by its first argument (mode args puts it after the
# facts) or by MUSTER_HOOK_MOOD.
case ${MUSTER_HOOK_MOOD:-json} in
json) cat >"$MUSTER_HOOK_OUT"; printf '{"fqdn":"PC1.Corp.Example.Com","profile":"p1","ou":"OU=a","otp":"AAECAwQFBgc="}' ;;
args) printf '%s\n' "$@" >"$MUSTER_HOOK_OUT"; printf 'hello there\nfqdn=pc2.corp.example.com\nprofile=p2\n' ;;
env) printf '{"%s":"%s"}' "${MUSTER_KEPT_BACK:-none}" "${HOME:+home}" ;;
wait) echo "not in the book yet" >&2; exit 10 ;;
waitjson) printf '{"wait":true,"reason":"ask again"}' ;;
hang) sleep 600 ;;
crash) kill -SEGV $$ ;;
fail) echo "no database" >&2; exit 3 ;;
flood) head -c 200000 /dev/zero ;;
fork) sleep 600 & printf '{"fqdn":"pc3.corp.example.com"}' ;;
nonsense) printf '<html>' ;;
badname) printf '{"fqdn":"no_domain"}' ;;
noname) printf '{"profile":"p1"}' ;;
wrongtype) printf '{"fqdn":7}' ;;
esac
