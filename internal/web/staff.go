package web

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pg"
)

// The roles of staff.
const (
	RoleDPO       = "dpo"       // decides for their controllers
	RoleProcessor = "processor" // the processor's own staff: every controller, and the queue
	RoleReader    = "reader"    // looks, changes nothing
)

// A StaffMember may sign in to the console.
type StaffMember struct {
	ID          int64
	Email, Name string
	Role        string
	Controllers []string // keys; none for the processor's staff, who belong to all
	CreatedAt   time.Time
}

// What AddStaff and RemoveStaff say. Neither quotes an address.
var (
	ErrStaffExists  = errors.New("somebody with this address may sign in already")
	ErrStaffUnknown = errors.New("nobody with this number or address may sign in")
)

// Staff is the store of those who may sign in, and of their sessions, in the control database.
type Staff struct{ pool *pgxpool.Pool }

// NewStaff returns the store over the control pool.
func NewStaff(pool *pgxpool.Pool) *Staff { return &Staff{pool: pool} }

// AddStaff lets somebody sign in. An empty password leaves links only.
func AddStaff(ctx context.Context, pool *pgxpool.Pool, m StaffMember, password string) (int64, error) {
	m.Email, m.Name = strings.TrimSpace(m.Email), strings.TrimSpace(m.Name)
	if err := checkMember(m); err != nil {
		return 0, err
	}
	hash, err := hashPassword(password)
	if err != nil {
		return 0, err
	}
	if m.Role == RoleProcessor || m.Controllers == nil {
		m.Controllers = []string{}
	}
	var id int64
	err = pool.QueryRow(ctx, `
		INSERT INTO staff (email, name, role, controllers, password_hash, created_at)
		VALUES (@email, @name, @role, @controllers, @hash, now())
		RETURNING id`,
		pgx.StrictNamedArgs{"email": m.Email, "name": m.Name, "role": m.Role, "controllers": m.Controllers, "hash": hash}).Scan(&id)
	switch {
	case err != nil && pg.Constraint(err) == "staff_email_key":
		return 0, ErrStaffExists
	case err != nil:
		return 0, fmt.Errorf("add staff: %w", pg.Clean(err))
	}
	return id, nil
}

func checkMember(m StaffMember) error {
	at, err := mail.ParseAddress(m.Email)
	switch {
	case err != nil || at.Address != m.Email || len(m.Email) > 254 || strings.ContainsFunc(m.Email, unicode.IsControl):
		return errors.New("the address is not a mail address")
	case m.Name == "" || len(m.Name) > 200 || strings.ContainsFunc(m.Name, unicode.IsControl):
		return errors.New("a name is needed, of 200 characters at most")
	case !slices.Contains([]string{RoleDPO, RoleProcessor, RoleReader}, m.Role):
		return errors.New("the role must be dpo, processor or reader")
	case m.Role != RoleProcessor && len(m.Controllers) == 0:
		return errors.New("a dpo or reader needs at least one controller")
	}
	return nil
}

// ListStaff lists those who may sign in, by address.
func ListStaff(ctx context.Context, pool *pgxpool.Pool) ([]StaffMember, error) {
	rows, err := pool.Query(ctx, `
		SELECT id, email, name, role, controllers, created_at
		FROM staff WHERE removed_at IS NULL ORDER BY lower(email)`)
	if err != nil {
		return nil, fmt.Errorf("list staff: %w", pg.Clean(err))
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[StaffMember])
	if err != nil {
		return nil, fmt.Errorf("list staff: %w", pg.Clean(err))
	}
	return list, nil
}

// RemoveStaff ends somebody's right to sign in, by address; open sessions end
// with their next click. The row stays: the ledger names its number.
func RemoveStaff(ctx context.Context, pool *pgxpool.Pool, email string) error {
	tag, err := pool.Exec(ctx, `
		UPDATE staff SET removed_at = now(), password_hash = ''
		WHERE lower(email) = lower(@email) AND removed_at IS NULL`,
		pgx.StrictNamedArgs{"email": strings.TrimSpace(email)})
	switch {
	case err != nil:
		return fmt.Errorf("remove staff: %w", pg.Clean(err))
	case tag.RowsAffected() == 0:
		return ErrStaffUnknown
	}
	return nil
}

// byID returns a member who may still sign in, or ErrStaffUnknown.
func (s *Staff) byID(ctx context.Context, id int64) (StaffMember, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT id, email, name, role, controllers, created_at
		FROM staff WHERE id = @id AND removed_at IS NULL`,
		pgx.StrictNamedArgs{"id": id})
	if err != nil {
		return StaffMember{}, fmt.Errorf("staff %d: %w", id, pg.Clean(err))
	}
	m, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[StaffMember])
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return StaffMember{}, ErrStaffUnknown
	case err != nil:
		return StaffMember{}, fmt.Errorf("staff %d: %w", id, pg.Clean(err))
	}
	return m, nil
}

// credentials returns the number and the hash of an account; zero and empty
// when there is none.
func (s *Staff) credentials(ctx context.Context, email string) (id int64, hash string, err error) {
	err = s.pool.QueryRow(ctx, `
		SELECT id, password_hash FROM staff WHERE lower(email) = lower(@email) AND removed_at IS NULL`,
		pgx.StrictNamedArgs{"email": email}).Scan(&id, &hash)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, "", nil
	case err != nil:
		return 0, "", fmt.Errorf("look up account: %w", pg.Clean(err))
	}
	return id, hash, nil
}

// names gives the names of staff by number, of removed ones too, for time lines.
func (s *Staff) names(ctx context.Context, ids []int64) (map[int64]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := s.pool.Query(ctx, `SELECT id, name FROM staff WHERE id = ANY(@ids)`, pgx.StrictNamedArgs{"ids": ids})
	if err != nil {
		return nil, fmt.Errorf("names of staff: %w", pg.Clean(err))
	}
	names := make(map[int64]string, len(ids))
	var id int64
	var name string
	if _, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error { names[id] = name; return nil }); err != nil {
		return nil, fmt.Errorf("names of staff: %w", pg.Clean(err))
	}
	return names, nil
}
