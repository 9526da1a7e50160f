package main

// A site is a place of the company and the names that are common there.
type site struct {
	city, code, dial string
	buildings        []string
	given, family    []string
}

var sites = []site{
	{
		city: "Berlin", code: "BER", dial: "+49 30",
		buildings: []string{"Haus A", "Haus B", "Turm"},
		given:     []string{"Jürgen", "Käthe", "Björn", "Anna", "Sören", "Heike", "Lukas", "Jörg", "Zoë", "Matthias", "Ulrike", "Günther", "Marie", "Jan"},
		family:    []string{"Müller", "Weiß", "Schröder", "Köhler", "Jäger", "Schmidt", "Größe", "Vogel", "Lehmann", "von der Heide", "Strauß", "Böhm", "Kühn", "Wolf"},
	},
	{
		city: "Lyon", code: "LYS", dial: "+33 4",
		buildings: []string{"Bâtiment Nord", "Bâtiment Sud"},
		given:     []string{"Hélène", "François", "Noël", "Élodie", "Benoît", "Chloé", "Aurélie", "Rémi", "Camille", "Loïc", "Margaux", "Thérèse", "Gaël", "Anaïs"},
		family:    []string{"Lefèvre", "Bézier", "d'Aubigné", "Garçon", "Moreau", "Hébert", "Le Goff", "Château", "Rousseau", "Guérin", "L'Hôpital", "Lacroix", "Prévost", "Maçon"},
	},
	{
		city: "Gdańsk", code: "GDN", dial: "+48 58",
		buildings: []string{"Hala 1", "Hala 2"},
		given:     []string{"Łukasz", "Małgorzata", "Paweł", "Żaneta", "Grażyna", "Michał", "Agnieszka", "Stanisław", "Bożena", "Jędrzej", "Zofia", "Kamil", "Wojciech", "Róża"},
		family:    []string{"Wałęga", "Kowalska", "Dąbrowski", "Błaszczyk", "Śliwa", "Król", "Gołąb", "Zając", "Nowak", "Szczęsny", "Ćwik", "Pawłowska", "Żak", "Wójcik"},
	},
	{
		city: "Praha", code: "PRG", dial: "+420 2",
		buildings: []string{"Budova A", "Budova B"},
		given:     []string{"Jiří", "Věra", "Ondřej", "Zdeněk", "Šárka", "Tomáš", "Kateřina", "Bořivoj", "Lenka", "Čeněk", "Růžena", "Matěj", "Eliška", "Luděk"},
		family:    []string{"Dvořák", "Němcová", "Říha", "Šťastný", "Čapek", "Hájek", "Kučera", "Ježek", "Novotná", "Škoda", "Žižka", "Beneš", "Růžička", "Hašek"},
	},
	{
		city: "İzmir", code: "ADB", dial: "+90 232",
		buildings: []string{"A Blok", "B Blok"},
		given:     []string{"Gülşen", "İsmail", "Çağla", "Ömer", "Şule", "Oğuz", "Işıl", "Nazlı", "Barış", "Ümit", "Ayşe", "Tuğba", "Mehmet", "Yağmur"},
		family:    []string{"Yılmaz", "Öztürk", "Çelik", "Şahin", "Kılıç", "Aydın", "Doğan", "Güneş", "Işık", "Koç", "Türkoğlu", "Ağaoğlu", "Demir", "Özgür"},
	},
	{
		city: "Sevilla", code: "SVQ", dial: "+34 95",
		buildings: []string{"Edificio Norte", "Edificio Sur"},
		given:     []string{"José", "María", "Íñigo", "Begoña", "Ramón", "Inés", "Andrés", "Lucía", "Ángel", "Concepción", "Joaquín", "Nuria", "Óscar", "Belén"},
		family:    []string{"García Márquez", "Núñez", "Peña", "Ibáñez", "Ortega", "Muñoz", "Zúñiga", "Ramírez", "de la Fuente", "Castaño", "Güell", "Bermúdez", "Yáñez", "Sáez"},
	},
	{
		city: "Porto", code: "OPO", dial: "+351 22",
		buildings: []string{"Edifício 1", "Edifício 2"},
		given:     []string{"João", "Inês", "Gonçalo", "Conceição", "Luís", "Mónica", "António", "Beatriz", "Simão", "Fátima", "Vítor", "Assunção", "Tomé", "Lídia"},
		family:    []string{"Gonçalves", "Simões", "Araújo", "Conceição", "Guimarães", "Magalhães", "da Conceição", "Falcão", "Leitão", "Sá", "Brandão", "Antunes", "Mourão", "Galvão"},
	},
	{
		city: "Göteborg", code: "GOT", dial: "+46 31",
		buildings: []string{"Hus 1", "Hus 2"},
		given:     []string{"Åsa", "Göran", "Märta", "Håkan", "Östen", "Linnéa", "Sören", "Ingrid", "Bengt", "Frida", "Pär", "Birgitta", "Örjan", "Maja"},
		family:    []string{"Sjöberg", "Ångström", "Lindström", "Öberg", "Åkesson", "Hägg", "Nordqvist", "Söderlund", "af Geijerstam", "Bäck", "Malmsjö", "Ström", "Grahn", "Wikström"},
	},
	{
		city: "København", code: "CPH", dial: "+45",
		buildings: []string{"Bygning 1", "Bygning 2"},
		given:     []string{"Søren", "Åse", "Jørgen", "Bjørn", "Mette", "Kåre", "Sigrún", "Þóra", "Anders", "Freja", "Ægir", "Lærke", "Guðrún", "Rasmus"},
		family:    []string{"Kierkegård", "Sørensen", "Nygård", "Mølgaard", "Bjørnstad", "Hansen", "Þórsdóttir", "Guðmundsson", "Ærø", "Møller", "Skovgård", "Bøgh", "Ågård", "Juhl"},
	},
	{
		city: "Cluj", code: "CLJ", dial: "+40 264",
		buildings: []string{"Clădirea A", "Clădirea B"},
		given:     []string{"Ștefan", "Ioana", "Răzvan", "Mădălina", "Ionuț", "Cătălin", "Zsófia", "László", "Ferenc", "Erzsébet", "Bálint", "Dániel", "Brândușa", "Florin"},
		family:    []string{"Brâncuși", "Țăranu", "Pătrașcu", "Ionescu", "Kovács", "Szabó", "Nagy", "Erdős", "Tóth", "Fekete", "Mureșan", "Dragoș", "Lőrincz", "Varga"},
	},
	{
		city: "Dublin", code: "DUB", dial: "+353 1",
		buildings: []string{"Block 1", "Block 2"},
		given:     []string{"Seán", "Aoife", "Pádraig", "Róisín", "Ciarán", "Siobhán", "Thu", "Minh", "Grace", "Oisín", "Méabh", "Patrick", "Niamh", "Đức"},
		family:    []string{"O'Brien", "Ó Súilleabháin", "Murphy", "Ní Dhomhnaill", "Nguyễn", "Trần", "McCarthy", "Đặng", "Byrne", "O'Neill", "Phạm", "Walsh", "Lê", "Kelly"},
	},
}

// A department of the company has about share percent of its people.
type department struct {
	name   string
	share  int
	titles []string
}

var departments = []department{
	{"Engineering", 26, []string{"Software Engineer", "Senior Engineer", "Test Engineer", "Site Reliability Engineer"}},
	{"Research", 12, []string{"Scientist", "Senior Scientist", "Laboratory Assistant"}},
	{"Operations", 20, []string{"Technician", "Dispatcher", "Warehouse Clerk", "Shift Supervisor"}},
	{"Sales", 16, []string{"Account Manager", "Sales Representative", "Sales Engineer"}},
	{"Finance", 7, []string{"Accountant", "Controller", "Payroll Clerk"}},
	{"People", 5, []string{"Recruiter", "Personnel Officer"}},
	{"Legal", 3, []string{"Counsel", "Paralegal"}},
	{"Support", 11, []string{"Support Agent", "Support Engineer", "Trainer"}},
}
