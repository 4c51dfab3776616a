package sample

import "strconv"

// A Person has a part to play in the demo and its tests.
type Person struct {
	// Part: "access", "export", "erasure"; "shared mailbox" (two contacts whose
	// address differs in capitals only), "shared browser" (two contacts, one visitor).
	Part          string
	Name, Surname string
	Email, Phone  string
	Controller    string // its key in examples/livechat/lethe.yaml
	Scope         string // its value in the source
	Contact       int64  // contacts.id
}

// Person is the first one with a part; ok is false when nobody has it.
func (s *Shop) Person(part string) (p Person, ok bool) {
	for _, p := range s.people {
		if p.Part == part {
			return p, true
		}
	}
	return Person{}, false
}

// An account is a shop, a controller.
type account struct {
	id                         int64
	key, name, domain, country string
	chatKey                    string
	agents                     []int64
}

// shops are the three controllers of examples/livechat/lethe.yaml.
func shops() []account {
	return []account{
		{id: 1, key: "bota", name: "Bota Shop", domain: "bota.example", country: "CZ"},
		{id: 2, key: "fahrrad", name: "Fahrrad Haus", domain: "fahrrad.example", country: "DE"},
		{id: 3, key: "tea", name: "Tea & Kettle", domain: "tea.example", country: "IE"},
	}
}

// cast is who plays; contact numbers follow the order, from 1.
func cast() []Person {
	list := []Person{
		{Part: "access", Name: "Jana", Surname: "Horáková", Email: "jana.horakova@example.org", Phone: "+44 7700 900101", Controller: "bota"},
		{Part: "export", Name: "Klaus", Surname: "Brandt", Email: "klaus.brandt@example.net", Controller: "fahrrad"},
		{Part: "erasure", Name: "Aoife", Surname: "O'Neil", Email: "aoife.oneil@example.com", Phone: "+44 7700 900103", Controller: "tea"},
		{Part: "shared mailbox", Name: "Martina", Surname: "Křížová", Email: "rodina.krizova@example.org", Controller: "bota"},
		{Part: "shared mailbox", Name: "Petr", Surname: "Kříž", Email: "Rodina.Krizova@Example.ORG", Phone: "+44 7700 900105", Controller: "bota"},
		{Part: "shared browser", Name: "Heike", Surname: "Döring", Email: "heike.doering@example.org", Controller: "fahrrad"},
		{Part: "shared browser", Name: "Uwe", Surname: "Döring", Email: "uwe.doering@example.org", Controller: "fahrrad"},
	}
	for i := range list {
		list[i].Contact = int64(i) + 1
		for _, a := range shops() {
			if a.key == list[i].Controller {
				list[i].Scope = strconv.FormatInt(a.id, 10)
			}
		}
	}
	return list
}
