package web

import "net/http"

// handler joins the routes below with what happens to every request.
func (s *server) handler() (http.Handler, error) {
	mux := http.NewServeMux()
	s.routes(mux)
	return s.wrap(mux)
}

// routes is everything that can be asked for. A path's {token} is a secret: it
// never stands in a log (middleware.go writes the pattern) nor in a Referer.
func (s *server) routes(mux *http.ServeMux) {
	mux.Handle("GET /healthz", http.HandlerFunc(health))
	mux.Handle("GET /static/", s.static())
	mux.Handle("/", s.public(s.nowhere))

	// The subject's pages. No cookie is set on any of them.
	mux.Handle("GET /c/{controller}", s.public(s.ask))
	mux.Handle("POST /c/{controller}", s.limited(s.limits.ask, s.public(s.asked)))
	mux.Handle("GET /c/{controller}/received", s.public(s.askReceived))
	mux.Handle("GET /confirm/{token}", s.limited(s.limits.links, s.public(s.confirm)))
	mux.Handle("POST /confirm/{token}", s.limited(s.limits.links, s.public(s.confirmed)))
	mux.Handle("GET /status/{token}", s.limited(s.limits.links, s.public(s.status)))
	mux.Handle("POST /status/{token}/withdraw", s.limited(s.limits.links, s.public(s.statusWithdraw)))
	mux.Handle("GET /download/{token}", s.limited(s.limits.links, s.public(s.download)))
	mux.Handle("POST /download/{token}", s.limited(s.limits.links, s.public(s.downloaded)))

	// The page of a source's owner. No cookie here either.
	mux.Handle("GET /desk/{token}", s.limited(s.limits.links, s.public(s.desk)))
	mux.Handle("POST /desk/{token}", s.limited(s.limits.links, s.public(s.deskDone)))
	mux.Handle("POST /desk/{token}/files", s.limited(s.limits.links, s.public(s.deskFiles)))

	// Signing in and out.
	mux.Handle("GET /signin", s.session(s.signin))
	mux.Handle("POST /signin", s.limited(s.limits.signin, s.session(s.signedin)))
	mux.Handle("GET /signin/{token}", s.limited(s.limits.links, s.session(s.signinLink)))
	mux.Handle("POST /signin/{token}", s.limited(s.limits.links, s.session(s.signinLinked)))
	mux.Handle("POST /signout", s.session(s.signout))

	// The console.
	mux.Handle("GET /{$}", s.staff(s.list))
	mux.Handle("GET /requests/new", s.staff(s.requestNew))
	mux.Handle("POST /requests/new", s.staff(s.requestSubmit))
	mux.Handle("GET /requests/{id}", s.staff(s.request))
	mux.Handle("GET /requests/{id}/letters/{letter}", s.staff(s.requestLetter))
	mux.Handle("POST /requests/{id}/verify", s.staff(s.requestVerify))
	mux.Handle("POST /requests/{id}/approve", s.staff(s.requestApprove))
	mux.Handle("POST /requests/{id}/refuse", s.staff(s.requestRefuse))
	mux.Handle("POST /requests/{id}/extend", s.staff(s.requestExtend))
	mux.Handle("POST /requests/{id}/withdraw", s.staff(s.requestWithdraw))
	mux.Handle("POST /requests/{id}/retry", s.staff(s.requestRetry))
	mux.Handle("POST /requests/{id}/draft", s.staff(s.requestDraft))
	mux.Handle("POST /requests/{id}/dry-run", s.staff(s.requestDryRun))
	mux.Handle("POST /requests/{id}/archive", s.staff(s.requestHandOver))
	mux.Handle("POST /requests/{id}/asks/{source}/files", s.staff(s.askFiles))
	mux.Handle("POST /requests/{id}/asks/{source}/{what}", s.staff(s.askDone))
	mux.Handle("POST /requests/{id}/mentions/{mention}/{what}", s.staff(s.mentionDone))
	mux.Handle("GET /rules", s.staff(s.rules))
	mux.Handle("POST /rules/{name}/try", s.staff(s.ruleTry))
	mux.Handle("POST /rules/{name}/approve", s.staff(s.ruleApprove))
	mux.Handle("GET /holds", s.staff(s.holds))
	mux.Handle("POST /holds", s.staff(s.holdAdd))
	mux.Handle("POST /holds/{id}/release", s.staff(s.holdRelease))
	if s.Queue != nil {
		mux.Handle("/queue/", s.staff(s.queue))
	}
}
