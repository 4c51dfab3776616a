package sample

// The words that rows are made of. All of it is invented.

// given and family names by the shop's country; those with diacritics,
// apostrophes and hyphens are there on purpose.
func givenNames() map[string][]string {
	return map[string][]string{
		"CZ": {"Jana", "Petr", "Růžena", "Tomáš", "Eliška", "Ondřej", "Šárka", "Vojtěch", "Ludmila", "Čeněk", "Zdeňka", "Matěj", "Barbora", "Jiří", "Žofie", "Radim"},
		"DE": {"Klaus", "Anneliese", "Jörg", "Käthe", "Uwe", "Sabine", "Björn", "Heike", "Götz", "Ulrike", "Anna-Lena", "Jürgen", "Mareike", "Torsten", "Ayşe", "Max"},
		"IE": {"Aoife", "Seán", "Niamh", "Conor", "Siobhán", "Declan", "Gráinne", "Liam", "Máire", "Ruairí", "Mary-Kate", "Eoin", "Fiona", "Pádraig", "Dmitri", "Zoë"},
	}
}

func familyNames() map[string][]string {
	return map[string][]string{
		"CZ": {"Nováček", "Horáková", "Šimůnek", "Křížová", "Dvorský", "Řezáčová", "Pospíchal", "Žáčková", "Vaňura", "Bílková", "Ďuriš", "Němečková", "Kolář", "Tůmová", "Ševc", "Hájková-Malá"},
		"DE": {"Brandt", "Großmann", "Müller-Lüdenscheid", "Schäfer", "von der Heide", "Krüger", "Weiß", "Döring", "Yılmaz", "Hoffmann", "Köhler", "Straßburger", "Zöllner", "Lindqvist", "Thöne", "Bäcker"},
		"IE": {"O'Neil", "Ó'Brien", "Murphy", "Ní Dhomhnaill", "Kelly", "McCarthy", "FitzGerald", "Byrne", "O'Sullivan", "Walsh", "van-der-Berg", "Doyle", "Gallagher", "D'Arcy", "Quinn", "Đurić"},
	}
}

func mailHosts() []string {
	return []string{"example.org", "example.net", "example.com", "mail.example.org", "post.example.net"}
}

// A place that somebody looks from.
type place struct{ country, code, city string }

func places() []place {
	return []place{
		{"Czechia", "CZ", "Brno"}, {"Czechia", "CZ", "Praha"}, {"Czechia", "CZ", "Plzeň"}, {"Germany", "DE", "München"}, {"Germany", "DE", "Leipzig"},
		{"Germany", "DE", "Köln"}, {"Ireland", "IE", "Cork"}, {"Ireland", "IE", "Dublin"}, {"Austria", "AT", "Graz"}, {"Poland", "PL", "Kraków"},
		{"France", "FR", "Lyon"}, {"Spain", "ES", "Málaga"}, {},
	}
}

// A browser as its user agent tells.
type browser struct{ agent, name, version, os string }

func browsers() []browser {
	return []browser{
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36", "Chrome", "126.0.0.0", "Windows"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0", "Firefox", "127.0", "Windows"},
		{"Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0", "Firefox", "115.0", "Linux"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15", "Safari", "17.5", "Mac OS X"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1", "Safari", "17.5", "iPhone"},
		{"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36", "Chrome", "126.0.0.0", "Android"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36 Edg/125.0.0.0", "Edge", "125.0.0.0", "Windows"},
	}
}

func screens() []string { return []string{"390x844", "412x915", "1366x768", "1920x1080", "2560x1440"} }

func paths() []string {
	return []string{"/", "/new", "/sale", "/cart", "/checkout", "/delivery", "/returns", "/contact", "/about", "/account/orders", "/search?q=size+42", "/item/1042", "/item/2210", "/item/3377", "/item/4801", "/blog/how-to-choose"}
}

func referrers() []string {
	return []string{"", "", "", "https://search.example/", "https://news.example/shops", "https://social.example/", "https://newsletter.example/october"}
}

// What people write, in three tones. %p is a product, %o an order's number.
func openings() map[string][]string {
	return map[string][]string{
		"friendly": {
			"Hello! I love the %p I bought last year 😊 Do you still have it in blue?",
			"Good morning, a quick question: when will order %o arrive? No hurry, thank you.",
			"Hi there, could you help me choose a %p for my daughter? Thanks a lot!",
			"Dobrý den, prosím, dá se %p vyměnit za jinou velikost? Děkuji předem.",
			"Guten Tag, passt das Zubehör auch zu meinem %p? Vielen Dank!",
			"Hello, first of all thanks for the fast delivery.\n\nOne thing: the box said \"2 pieces\", and there was only one %p in it.",
		},
		"plain": {
			"Where is order %o", "Do you ship to Austria?", "Is the %p in stock", "I need the invoice for order %o.",
			"How do I return a %p?", "Kdy přijde objednávka %o?", "Ist %p morgen lieferbar?", "Please change the address of order %o to the one in my account",
		},
		"angry": {
			"This is the third time I write about order %o. Nobody answers!!!",
			"Your %p broke after two days. I want my money back, now.",
			"\"Delivered\", says your page. It was NOT. Where is order %o?",
			"Unfassbar. Seit drei Wochen warte ich auf %o 😡",
			"To snad nemyslíte vážně, %p přišel rozbitý a nikdo nebere telefon!",
		},
	}
}

func followUps() map[string][]string {
	return map[string][]string{
		"friendly": {"Perfect, thank you so much!", "That helps, have a nice day 🌞", "Super, děkuji!", "Thanks — I'll take two then."},
		"plain":    {"ok", "Order %o", "Yes", "My number is in the account.", "And how long does that take?"},
		"angry":    {"That is what I was told LAST week.", "Fine. But I will tell everybody.", "No. I want to speak to somebody who decides.", "And who pays for the postage??"},
	}
}

func answers() []string {
	return []string{
		"Hello, thank you for writing. Could you give me the order number, please?",
		"I am sorry about that. I have asked the warehouse and will write as soon as I know more.",
		"Yes, the %p is in stock; it leaves us tomorrow morning.",
		"Order %o was handed to the carrier yesterday.",
		"You can return it within 30 days; the form is at /returns.",
		"I have refunded the amount. It takes about three working days.",
	}
}

func products() []string {
	return []string{"winter boots", "running shoes", "city bike", "bicycle lock", "saddle bag", "teapot", "kettle", "green tea sampler", "hiking socks", "helmet"}
}

// What had been begun to be typed (ssupp_<CHAT_KEY>message).
func drafts() []string {
	return []string{"hello, I", "my order", "please call me at %n", "is it possible to", "ich möchte", "dobrý den, chci se zept", "I want to speak to"}
}
