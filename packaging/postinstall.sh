#!/bin/sh
# After the files are in place: the user, the rights on /etc/metasync, the unit. The
# service is neither enabled nor started at the first installation: first somebody has to
# write a configuration. After an update it is started anew if it runs.
set -e

if command -v systemd-sysusers >/dev/null 2>&1; then
	systemd-sysusers metasync.conf
elif ! id metasync >/dev/null 2>&1; then
	useradd --system --user-group --home-dir /var/lib/metasync --no-create-home \
		--shell /usr/sbin/nologin metasync
fi
chown root:metasync /etc/metasync
chmod 0750 /etc/metasync

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart metasync.service
fi
