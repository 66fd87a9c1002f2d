#!/bin/sh
# Makes sure that the programs which the tests need are there: real servers, clients and browsers, and a C compiler.
# Installs them as root on Debian and Ubuntu; elsewhere says what is missing, and fails.

set -eu

# Program and the Debian package that brings it; iproute2 is `ip`, libnss3-tools is `certutil`.
wanted='cc:gcc nginx:nginx curl:curl openssl:openssl ip:iproute2 iptables:iptables certutil:libnss3-tools nghttpx:nghttp2-proxy dnsmasq:dnsmasq-base dig:bind9-dnsutils pg_createcluster:postgresql redis-server:redis-server'

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export PATH

has_browser() {
	for each in chromium chromium-browser google-chrome google-chrome-stable; do
		command -v "$each" >/dev/null 2>&1 && return 0
	done
	return 1
}

# Those of the Python that the tests run on; one that Debian did not make brings its own.
has_headers() {
	.venv/bin/python -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null
}

missing() {
	for each in $wanted; do
		command -v "${each%%:*}" >/dev/null 2>&1 || printf '%s ' "${each#*:}"
	done
	curl --version 2>/dev/null | grep -q HTTP2 || printf '%s ' curl
	has_browser || printf '%s ' chromium
	has_headers || printf '%s ' python3-dev
}

packages=$(missing)
[ -n "$packages" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "Installing for the tests: $packages"
	DEBIAN_FRONTEND=noninteractive
	export DEBIAN_FRONTEND
	apt-get update -qq
	# shellcheck disable=SC2086 # several words are meant
	apt-get install -qq -y --no-install-recommends $packages >/dev/null
	packages=$(missing)
	[ -n "$packages" ] || exit 0
fi

echo "The tests need programs that are missing. On Debian and Ubuntu:" >&2
echo "    sudo apt-get install $packages" >&2
exit 1
