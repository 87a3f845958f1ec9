#!/bin/sh
# Removes from a fresh Debian tree what no base needs, and what it learned of the machine that made it.
# mmdebstrap runs it as its last hook, with the tree as the argument.
set -eu
tree=$1

rm -rf "$tree"/usr/share/doc "$tree"/usr/share/info "$tree"/usr/share/locale "$tree"/usr/share/man
rm -rf "$tree"/var/cache/apt "$tree"/var/cache/debconf "$tree"/var/lib/apt/lists "$tree"/var/log/*
rm -f "$tree"/etc/apt/sources.list "$tree"/etc/apt/sources.list.d/*
: > "$tree/etc/resolv.conf"
: > "$tree/etc/hostname"
