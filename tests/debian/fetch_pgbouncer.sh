#!/bin/sh
# Usage: fetch_pgbouncer.sh FOLDER
# Unpacks the PgBouncer of Debian 13, with the libraries that it needs, into FOLDER, which is made.
# Debian 12's knows no prepared statements. Nothing is installed, and root is not needed.
set -eu
folder=$1
packages='pgbouncer libc6 libevent-2.1-7t64 libssl3t64 libcares2 libpam0g libsystemd0 libaudit1
    libcap-ng0 libcap2 libzstd1 zlib1g libgcc-s1'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/root"
touch "$work/state/status"
echo 'deb http://deb.debian.org/debian trixie main' >"$work/sources.list"
cat >"$work/apt.conf" <<CONF
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "-";
Dir::State "$work/state";
Dir::State::Status "$work/state/status";
Dir::Cache "$work/cache";
APT::Sandbox::User "";
CONF

cd "$work"
APT_CONFIG=$work/apt.conf apt-get update -qq
# shellcheck disable=SC2086 # a list
APT_CONFIG=$work/apt.conf apt-get download -qq $packages
for package in ./*.deb; do
    dpkg -x "$package" root
done
chmod -R a+rX root
mkdir -p "$(dirname "$folder")"
mv root "$folder"
