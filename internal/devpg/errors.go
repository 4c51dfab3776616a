package devpg

import "errors"

// ErrNoBinaries: there is no Postgres on this machine, or none with initdb.
var ErrNoBinaries = errors.New("no Postgres server programs (initdb, postgres) were found; install them with" +
	" `apt-get install postgresql` (Debian, Ubuntu), `dnf install postgresql-server` (Fedora, RHEL)," +
	" `apk add postgresql` (Alpine) or `brew install postgresql` (macOS), or name their folder in LETHE_PG_BIN")
