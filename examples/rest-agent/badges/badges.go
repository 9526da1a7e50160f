// Package badges is the badge system of the example: an HTTP API over a list of
// badges in memory. It pages, keeps a feed of changes, and refuses what makes no
// sense, as such systems do.
//
//	GET    /badges?limit=&after=     a page: {items, next, version}
//	GET    /badges?login=            the badge with a login, if there is one: {items}
//	GET    /badges/{id}              one badge
//	GET    /changes?since=&limit=    what changed since a version: {items, version, more}
//	POST   /badges                   creates one, and gives it an id
//	PATCH  /badges/{id}              changes some of its fields; null empties one
//	DELETE /badges/{id}
//
// Every request needs the bearer token. An error is {message, field}.
package badges

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const maxPage = 100

// A Badge is what the system knows of one badge.
type Badge struct {
	ID         string   `json:"id"`
	Login      string   `json:"login"`
	Name       string   `json:"name,omitempty"`
	Employee   string   `json:"employee,omitempty"`
	Active     bool     `json:"active"`
	ValidUntil string   `json:"validUntil,omitempty"` // RFC 3339
	Doors      []string `json:"doors,omitempty"`
	Sponsor    string   `json:"sponsor,omitempty"` // the login of another badge

	number  int
	sponsor string // its id
	version int    // of the last change
	deleted bool
}

// A System is the badge system. It is an http.Handler, and may be used by many
// goroutines.
type System struct {
	token string
	mux   *http.ServeMux

	mu       sync.Mutex
	badges   []*Badge // by number; deleted ones stay for the feed
	version  int
	oldest   int // the feed begins after this version
	requests int
	fail     func(*http.Request) bool
}

// New returns a system without badges that wants a bearer token.
func New(token string) *System {
	s := &System{token: token, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /badges", s.list)
	s.mux.HandleFunc("GET /badges/{id}", s.get)
	s.mux.HandleFunc("GET /changes", s.changes)
	s.mux.HandleFunc("POST /badges", s.create)
	s.mux.HandleFunc("PATCH /badges/{id}", s.update)
	s.mux.HandleFunc("DELETE /badges/{id}", s.remove)
	return s
}

// Fail has requests for which a function says so fail as if the system were down,
// until it is called with nil.
func (s *System) Fail(when func(*http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = when
}

// Forget empties the feed: who has not read it is told to read everything.
func (s *System) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldest = s.version
}

// Badges returns all badges, in the order in which they were created.
func (s *System) Badges() []Badge {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Badge
	for _, b := range s.badges {
		if !b.deleted {
			list = append(list, s.shown(b))
		}
	}
	return list
}

// Change changes the badge of a login, as somebody at the badge system would.
func (s *System) Change(login string, change func(*Badge)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.byLogin(login); b != nil {
		change(b)
		s.touch(b)
	}
}

// Requests returns how many requests there have been.
func (s *System) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// ServeHTTP implements http.Handler.
func (s *System) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.fail != nil && s.fail(r) {
		refuse(w, http.StatusServiceUnavailable, "", "the system is down")
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+s.token {
		refuse(w, http.StatusUnauthorized, "", "who are you?")
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *System) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	items := []Badge{}
	if login := query.Get("login"); login != "" {
		if b := s.byLogin(login); b != nil {
			items = append(items, s.shown(b))
		}
		answer(w, http.StatusOK, map[string]any{"items": items})
		return
	}
	after, limit := number(query.Get("after")), limitOf(query.Get("limit"))
	next := ""
	for _, b := range s.badges {
		switch {
		case b.deleted || b.number <= after:
		case len(items) == limit:
			next = items[limit-1].ID
		default:
			items = append(items, s.shown(b))
		}
		if next != "" {
			break
		}
	}
	page := map[string]any{"items": items, "version": s.version}
	if next != "" {
		page["next"] = next
	}
	answer(w, http.StatusOK, page)
}

func (s *System) get(w http.ResponseWriter, r *http.Request) {
	if b := s.byID(w, r); b != nil {
		answer(w, http.StatusOK, s.shown(b))
	}
}

// changes lists each badge that changed once, as it is now.
func (s *System) changes(w http.ResponseWriter, r *http.Request) {
	since, limit := number(r.URL.Query().Get("since")), limitOf(r.URL.Query().Get("limit"))
	if since < s.oldest {
		refuse(w, http.StatusGone, "since", "the feed does not go back that far")
		return
	}
	changed := slices.DeleteFunc(slices.Clone(s.badges), func(b *Badge) bool { return b.version <= since })
	slices.SortFunc(changed, func(a, b *Badge) int { return a.version - b.version })
	version, more := s.version, len(changed) > limit
	if more {
		changed = changed[:limit]
		version = changed[limit-1].version
	}
	items := []map[string]any{}
	for _, b := range changed {
		item := map[string]any{"id": b.ID, "login": b.Login, "deleted": b.deleted}
		if !b.deleted {
			item["badge"] = s.shown(b)
		}
		items = append(items, item)
	}
	answer(w, http.StatusOK, map[string]any{"items": items, "version": version, "more": more})
}

func (s *System) create(w http.ResponseWriter, r *http.Request) {
	b := &Badge{number: len(s.badges) + 1}
	b.ID = fmt.Sprintf("B%05d", b.number)
	if !s.apply(w, r, b) {
		return
	}
	s.badges = append(s.badges, b)
	s.touch(b)
	answer(w, http.StatusCreated, s.shown(b))
}

func (s *System) update(w http.ResponseWriter, r *http.Request) {
	b := s.byID(w, r)
	if b == nil {
		return
	}
	changed := *b
	if !s.apply(w, r, &changed) {
		return
	}
	*b = changed
	s.touch(b)
	answer(w, http.StatusOK, s.shown(b))
}

func (s *System) remove(w http.ResponseWriter, r *http.Request) {
	b := s.byID(w, r)
	if b == nil {
		return
	}
	b.deleted = true
	s.touch(b)
	w.WriteHeader(http.StatusNoContent)
}

// apply changes a badge as the body of a request says; if that makes no sense, it
// answers so.
func (s *System) apply(w http.ResponseWriter, r *http.Request, b *Badge) bool {
	raw := map[string]json.RawMessage{}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&raw); err != nil {
		refuse(w, http.StatusBadRequest, "", err.Error())
		return false
	}
	sponsor := ""
	targets := map[string]any{
		"login": &b.Login, "name": &b.Name, "employee": &b.Employee, "active": &b.Active,
		"validUntil": &b.ValidUntil, "doors": &b.Doors, "sponsor": &sponsor,
	}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		target := targets[name]
		if target == nil {
			refuse(w, http.StatusUnprocessableEntity, name, "there is no such field")
			return false
		}
		if string(raw[name]) == "null" {
			raw[name] = json.RawMessage(empty[name])
		}
		if name == "doors" {
			b.Doors = nil // or the array behind it is overwritten
		}
		if err := json.Unmarshal(raw[name], target); err != nil {
			refuse(w, http.StatusUnprocessableEntity, name, err.Error())
			return false
		}
	}
	if _, given := raw["sponsor"]; given {
		b.sponsor = ""
		if sponsor != "" {
			other := s.byLogin(sponsor)
			if other == nil {
				refuse(w, http.StatusUnprocessableEntity, "sponsor", "there is no "+sponsor)
				return false
			}
			b.sponsor = other.ID
		}
	}
	slices.Sort(b.Doors)
	return s.valid(w, b)
}

func (s *System) valid(w http.ResponseWriter, b *Badge) bool {
	_, badTime := time.Parse(time.RFC3339, b.ValidUntil)
	other := s.byLogin(b.Login)
	switch {
	case strings.TrimSpace(b.Login) == "":
		refuse(w, http.StatusUnprocessableEntity, "login", "a badge needs a login")
	case other != nil && other.ID != b.ID:
		refuse(w, http.StatusConflict, "login", b.Login+" is taken")
	case len(b.Name) > 60:
		refuse(w, http.StatusUnprocessableEntity, "name", "more than 60 bytes cannot be printed")
	case b.ValidUntil != "" && badTime != nil:
		refuse(w, http.StatusUnprocessableEntity, "validUntil", badTime.Error())
	default:
		return true
	}
	return false
}

// empty is what null stands for.
var empty = map[string]string{
	"login": `""`, "name": `""`, "employee": `""`, "active": "false", "validUntil": `""`, "doors": "[]", "sponsor": `""`,
}

func (s *System) touch(b *Badge) {
	s.version++
	b.version = s.version
}

func (s *System) byLogin(login string) *Badge {
	for _, b := range s.badges {
		if !b.deleted && b.Login == login {
			return b
		}
	}
	return nil
}

// byID returns the badge of a request; if there is none, it answers so.
func (s *System) byID(w http.ResponseWriter, r *http.Request) *Badge {
	for _, b := range s.badges {
		if !b.deleted && b.ID == r.PathValue("id") {
			return b
		}
	}
	refuse(w, http.StatusNotFound, "", "there is no badge "+r.PathValue("id"))
	return nil
}

// shown is a badge as others see it, with the login of its sponsor.
func (s *System) shown(b *Badge) Badge {
	out := *b
	for _, other := range s.badges {
		if other.ID == b.sponsor && !other.deleted {
			out.Sponsor = other.Login
		}
	}
	return out
}

func number(text string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(text, "B"))
	if err != nil {
		return 0
	}
	return n
}

func limitOf(text string) int {
	if n := number(text); n > 0 && n < maxPage {
		return n
	}
	return maxPage
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who does not wait for the answer does without
}

func refuse(w http.ResponseWriter, status int, field, message string) {
	body := map[string]string{"message": message}
	if field != "" {
		body["field"] = field
	}
	answer(w, status, body)
}
