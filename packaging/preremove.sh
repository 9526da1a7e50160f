#!/bin/sh
# Before the files go: "remove" (deb) and 0 (rpm) are a removal, anything else an update,
# which leaves the service running until the new files are there.
set -e

if [ -d /run/systemd/system ]; then
	case "$1" in
	remove | 0) systemctl --no-reload disable --now metasync.service ;;
	esac
fi
