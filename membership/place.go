package membership

import "cmp"

// Place is the name that a node goes by, and where it is reached. node.json keeps it: a start
// that says nothing of it is the node that it was, where it was.
type Place struct {
	Name          string `json:"name,omitempty"`
	HTTP          string `json:"http,omitempty"`           // host:port that it listens on for clients
	Peer          string `json:"peer,omitempty"`           // and for nodes
	Advertise     string `json:"advertise,omitempty"`      // host:port that nodes dial instead of Peer
	AdvertiseHTTP string `json:"advertise_http,omitempty"` // and clients instead of HTTP
}

// Become is the place of a start, where kept is what node.json has, said what this start is
// told beyond doubt, and first what holds as far as nothing is kept yet. What is advertised
// belongs to the address that is listened on: it goes when that becomes another.
func (kept Place) Become(said, first Place) Place {
	p := Place{Name: cmp.Or(said.Name, kept.Name, first.Name)}
	p.HTTP, p.AdvertiseHTTP = address{said.HTTP, said.AdvertiseHTTP}.over(address{kept.HTTP, kept.AdvertiseHTTP}, address{first.HTTP, first.AdvertiseHTTP})
	p.Peer, p.Advertise = address{said.Peer, said.Advertise}.over(address{kept.Peer, kept.Advertise}, address{first.Peer, first.Advertise})
	return p
}

// address is one that is listened on, and the one that others are told instead.
type address struct{ listen, advertise string }

func (said address) over(kept, first address) (listen, advertise string) {
	switch {
	case kept.listen == "":
		return cmp.Or(said.listen, first.listen), cmp.Or(said.advertise, first.advertise)
	case said.listen == "" || said.listen == kept.listen:
		return kept.listen, cmp.Or(said.advertise, kept.advertise)
	}
	return said.listen, said.advertise
}
