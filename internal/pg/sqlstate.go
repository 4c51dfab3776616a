package pg

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Error is what is kept of a Postgres error.
type Error struct {
	Code, Constraint, Schema, Table, Column string

	reason     string // of a connection that failed, in our words
	connecting bool
}

// Error is a sentence without contents: "SQLSTATE 23505 (a value stands there
// already), constraint requests_open_key on table requests".
func (e *Error) Error() string {
	var b strings.Builder
	if e.connecting {
		b.WriteString("cannot connect: ")
	}
	b.WriteString("SQLSTATE " + e.Code)
	if w := words(e.Code); w != "" {
		b.WriteString(" (" + w + ")")
	}
	if e.reason != "" {
		b.WriteString(": " + e.reason)
	}
	if e.Constraint != "" {
		b.WriteString(", constraint " + e.Constraint)
	}
	if e.Column != "" {
		b.WriteString(", column " + e.Column)
	}
	if e.Table != "" {
		b.WriteString(" on table ")
		if e.Schema != "" {
			b.WriteString(e.Schema + ".")
		}
		b.WriteString(e.Table)
	}
	return b.String()
}

// Connecting tells whether it was the connection that was refused.
func (e *Error) Connecting() bool { return e.connecting }

// SQLState lets callers that know pgx's interface ask for the code.
func (e *Error) SQLState() string { return e.Code }

// reduce keeps of a server's error what holds no contents.
func reduce(p *pgconn.PgError) *Error {
	e := &Error{
		Code: p.Code, Constraint: p.ConstraintName,
		Schema: p.SchemaName, Table: p.TableName, Column: p.ColumnName,
	}
	if e.Table == "" && e.Column == "" {
		e.Table, e.Column = named(p.Code, p.Message)
	}
	if m := waitedFor.FindStringSubmatch(p.Where); p.Code == "55P03" && m != nil {
		e.Table = m[1]
	}
	if p.Code == "08P01" {
		e.reason = poolers(p.Message)
	}
	return e
}

// unknownParameter is how PgBouncer refuses what a connection string asks for.
var unknownParameter = regexp.MustCompile(`^unsupported startup parameter(?: in options)?: ([a-z_]{1,63})$`)

// poolers says in our words what PgBouncer has only one SQLSTATE for. The name of
// a parameter comes from the connection string, which has no values of rows; it is
// not its value.
func poolers(message string) string {
	if m := unknownParameter.FindStringSubmatch(message); m != nil {
		return "the pooler does not take the parameter " + m[1] + " of the URL: leave it out there, or name it in the pooler's ignore_startup_parameters"
	}
	switch {
	case message == "query_wait_timeout":
		return "the pooler had no connection to the server in time: its pool is too small, or the server is down"
	case strings.HasPrefix(message, "no more connections allowed"):
		return "the pooler takes no more connections"
	case message == "bouncer config error", strings.HasPrefix(message, "no such database"), strings.HasPrefix(message, "no such user"):
		return "the pooler does not know this database or user"
	case strings.HasPrefix(message, "pgbouncer cannot connect to server"), strings.HasPrefix(message, "server login"):
		return "the pooler cannot reach the server, or cannot sign in there"
	}
	return ""
}

// waitedFor is where the table is named of which a row was locked: "while deleting
// tuple (0,1) in relation "orders"". Of a table that is locked itself nothing is.
var waitedFor = regexp.MustCompile(`^while [a-z ]{1,40} \(\d{1,10},\d{1,5}\) (?:of tuple )?in relation "([^"\n]{1,63})"`)

// Missing rights, rows that a policy refuses, tables and columns are named by the message only, not by a
// field of their own. The names come from the catalogue or from our statement,
// never from a row. Messages in another language than English name nothing.
var (
	deniedTable   = regexp.MustCompile(`^permission denied for (?:table|view|relation|sequence|materialized view) "?([^"\s]{1,63})"?$`)
	refusedRow    = regexp.MustCompile(`^new row violates (?:row-level security policy|check option) (?:"[^"]{1,63}" )?(?:\(USING expression\) )?for (?:table|view) "([^"]{1,63})"$`)
	missingTable  = regexp.MustCompile(`^relation "([^"]{1,127})" does not exist$`)
	alias         = regexp.MustCompile(`^[a-z]\.`) // of our own statements
	missingColumn = regexp.MustCompile(`^column "?([^"\s]{1,127})"?(?: of relation "([^"]{1,63})")? does not exist$`)
)

func named(code, message string) (table, column string) {
	switch code {
	case "42501":
		if m := deniedTable.FindStringSubmatch(message); m != nil {
			return m[1], ""
		}
		if m := refusedRow.FindStringSubmatch(message); m != nil {
			return m[1], ""
		}
	case "44000":
		if m := refusedRow.FindStringSubmatch(message); m != nil {
			return m[1], ""
		}
	case "42P01":
		if m := missingTable.FindStringSubmatch(message); m != nil {
			return m[1], ""
		}
	case "42703":
		if m := missingColumn.FindStringSubmatch(message); m != nil {
			return m[2], alias.ReplaceAllString(m[1], "")
		}
	}
	return "", ""
}

// Code is the SQLSTATE of err, or "".
func Code(err error) string {
	var s interface{ SQLState() string }
	if errors.As(err, &s) {
		return s.SQLState()
	}
	return ""
}

// Constraint is the constraint that err names, or "".
func Constraint(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Constraint
	}
	var p *pgconn.PgError
	if errors.As(err, &p) {
		return p.ConstraintName
	}
	return ""
}

// Passing tells whether trying again may help: connection lost, time-outs,
// serialisation failures, deadlocks, too many connections, shutting down.
// A context that ended counts: the work was stopped, not refused.
func Passing(err error) bool {
	if err == nil {
		return false
	}
	var connect *pgconn.ConnectError
	if code := Code(err); code != "" {
		// Of a connection 55000 is a database that its keepers have closed for a
		// time (ALLOW_CONNECTIONS false); of a statement it stays as it is.
		return passingCode(code) || code == "55000" && (errors.As(err, &connect) || connecting(err))
	}
	return errors.As(err, &connect) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, pgx.ErrTxCommitRollback) || network(err)
}

// connecting tells whether a cleaned error is of a connection that failed.
func connecting(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.connecting
}

func passingCode(code string) bool {
	switch code {
	case "40001", "40P01", // serialisation failure, deadlock
		"55P03", "55006", // lock not available, object in use
		"57014",                            // statement time-out, or cancelled by an administrator
		"57P01", "57P02", "57P03", "57P05", // shutting down, crashed, starting up, idle too long
		"25P02", "25P03", "25P04", // the transaction had failed before, idled or took too long
		"58030": // input or output failed
		return true
	}
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53")
}

// words says in English what an SQLSTATE means; the common ones by
// themselves, the others by their class.
func words(code string) string {
	if w, ok := codeWords[code]; ok {
		return w
	}
	if len(code) == 5 {
		return classWords[code[:2]]
	}
	return ""
}

var codeWords = map[string]string{
	"08001": "no connection could be made",
	"08006": "the connection broke",
	"22001": "value too long for its column",
	"22003": "number out of range",
	"22007": "not a date or time",
	"22021": "character not in the encoding",
	"22P02": "value does not fit its type",
	"22P05": "character not in the database's encoding",
	"23502": "a value is missing",
	"23503": "another row refers to it",
	"23505": "a value stands there already",
	"23514": "a check refused the value",
	"23P01": "an exclusion refused the row",
	"25006": "the database is read-only",
	"25P02": "the transaction had failed before",
	"25P03": "the transaction idled too long",
	"25P04": "the transaction took too long",
	"28000": "the user may not sign in",
	"28P01": "invalid password",
	"3D000": "the database does not exist",
	"3F000": "the schema does not exist",
	"40001": "concurrent change: another transaction changed the rows",
	"40P01": "deadlock",
	"42501": "insufficient privilege",
	"42601": "syntax error",
	"42703": "the column does not exist",
	"42883": "the function or operator does not exist",
	"42P01": "the table does not exist",
	"42P07": "the table exists already",
	"53100": "the disk is full",
	"53200": "out of memory",
	"53300": "too many connections",
	"55006": "in use by others",
	"55P03": "a lock could not be had in time",
	"57014": "the statement took too long, or was cancelled",
	"57P01": "the server is shutting down",
	"57P02": "the server crashed",
	"57P03": "the server is starting up or shutting down",
	"57P05": "the session idled too long",
}

var classWords = map[string]string{
	"08": "connection problem",
	"0A": "feature not supported",
	"22": "a value does not fit",
	"23": "a constraint refused the change",
	"25": "not possible in this state of the transaction",
	"28": "the user may not sign in",
	"2B": "others depend on it",
	"40": "the transaction was rolled back",
	"42": "the statement does not fit the schema, or its user's rights",
	"44": "a check option refused the row",
	"53": "the server is short of resources",
	"54": "a limit of the server was passed",
	"55": "not in a state that allows it",
	"57": "an operator or a limit stepped in",
	"58": "the server's system failed",
	"F0": "the server's configuration is wrong",
	"P0": "a function of the database refused it",
	"XX": "internal error of the server",
}
