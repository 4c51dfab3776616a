// Package web is the console of the data protection officer (DPO) and the pages
// of the subject: server-rendered HTML, no JavaScript, no framework.
//
// It decides nothing about requests, rules or holds: what may be seen and done
// is decided by dsar, and by access.go here for what retention does not know
// (rules belong to all controllers at once). It never shows a subject whether an address is
// known, and no link does anything on GET but show a button (mail scanners
// follow links).
//
// Open routes.go for everything that can be asked for, services.go for what is
// needed of others, middleware.go for what happens to every request, errors.go
// for how an error becomes a status and a sentence. A page is one handler file
// and one template of nearly the same name; forms and their checks stand in *_form.go.
package web
