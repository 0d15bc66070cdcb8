package fsm

import (
	"slices"
	"unicode/utf8"
	"unique"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/snapshot"
)

// rowReader decodes the records that appendRepo makes, one after the other. What every row
// has it decodes by hand, and what few rows have is left to the generated code in one piece,
// as are fields in a form that is none of theirs. A test compares both ways.
type rowReader struct {
	heads    map[string]unique.Handle[string]
	policies []*Policy
	shared   *interner
	rowFields
}

// rowFields are those of one row, in memory that the next one uses again.
type rowFields struct {
	row       *Repo
	policy    uint64
	id, name  []byte
	head      []byte
	candidate []byte
	urls      [][]byte
	keys      [][]byte
	copies    []Copy
	rest      []byte // fields for the generated code
	text      []byte
}

// rowTag begins a record of a row.
const rowTag = 4<<3 | byte(protowire.BytesType)

// isRow tells whether a record is that of a row.
func isRow(record []byte) bool { return len(record) > 0 && record[0] == rowTag }

// read returns the row of a record.
func (d *rowReader) read(record []byte) (*Repo, error) {
	b, n := protowire.ConsumeBytes(record[1:])
	if n != len(record)-1 {
		return nil, damaged("a row of %d bytes in %d", n, len(record)-1)
	}
	d.rowFields = rowFields{row: &Repo{Rarely: ordinary}, urls: d.urls[:0], keys: d.keys[:0], copies: d.copies[:0], rest: d.rest[:0], text: d.text[:0]}
	if err := eachField(b, d.field); err != nil {
		return nil, err
	}
	return d.finish()
}

// field is one of a message: a number or bytes, by its type.
type field struct {
	num    protowire.Number
	typ    protowire.Type
	number uint64
	bytes  []byte
	all    []byte // with its tag
}

// eachField calls fn with each field of a message.
func eachField(b []byte, fn func(field) error) error {
	for len(b) > 0 {
		var f field
		var tag, size int
		if f.num, f.typ, tag = protowire.ConsumeTag(b); tag < 0 {
			return damaged("%w", protowire.ParseError(tag))
		}
		switch value := b[tag:]; f.typ {
		case protowire.VarintType:
			f.number, size = protowire.ConsumeVarint(value)
		case protowire.BytesType:
			f.bytes, size = protowire.ConsumeBytes(value)
		default:
			size = protowire.ConsumeFieldValue(f.num, f.typ, value)
		}
		if size < 0 {
			return damaged("%w", protowire.ParseError(size))
		}
		f.all, b = b[:tag+size], b[tag+size:]
		if err := fn(f); err != nil {
			return err
		}
	}
	return nil
}

func (d *rowReader) field(f field) error {
	switch f.typ {
	case protowire.VarintType:
		if d.number(f.num, f.number) {
			return nil
		}
	case protowire.BytesType:
		if known, err := d.bytes(f.num, f.bytes); known || err != nil {
			return err
		}
	}
	d.rest = append(d.rest, f.all...)
	return nil
}

func (d *rowReader) number(num protowire.Number, v uint64) bool {
	r := d.row
	switch num {
	case 5:
		d.policy = v
	case 8:
		r.Removed = protowire.DecodeBool(v)
	case 9:
		r.Owner = NodeNum(v)
	case 10:
		r.Epoch = v
	case 11:
		r.Generation = v
	case 14:
		r.Refs = uint32(v)
	case 20:
		r.addedMS = int64(v)
	case 21:
		r.changedMS = int64(v)
	case 22:
		r.Version = v
	case 23:
		r.baseNumber = v
	case 25:
		r.event = v
	default:
		return false
	}
	return true
}

func (d *rowReader) bytes(num protowire.Number, v []byte) (known bool, err error) {
	switch num {
	case 12:
		d.row.Digest = digestFrom(v)
	case 13:
		d.row.RefsDigest = digestFrom(v)
	case 24:
		d.row.baseDigest = digestFrom(v)
	case 19:
		return true, d.copy(v)
	case 1, 2, 3, 4, 15, 16:
		if !utf8.Valid(v) {
			return true, damaged("text that is not UTF-8")
		}
		d.texts(num, v)
	default:
		return false, nil
	}
	return true, nil
}

func (d *rowReader) texts(num protowire.Number, v []byte) {
	switch num {
	case 1:
		d.id = v
	case 2:
		d.name = v
	case 3:
		d.urls = append(d.urls, v)
	case 4:
		d.keys = append(d.keys, v)
	case 15:
		d.head = v
	case 16:
		d.candidate = v
	}
}

func (d *rowReader) copy(b []byte) error {
	var c Copy
	var known bool
	err := eachField(b, func(f field) error {
		switch {
		case f.num == 1 && f.typ == protowire.VarintType:
			c.Node = NodeNum(f.number)
		case f.num == 2 && f.typ == protowire.BytesType:
			c.State, known = parseCopyState(string(f.bytes))
		case f.num == 3 && f.typ == protowire.VarintType:
			c.Generation = f.number
		}
		return nil
	})
	if err == nil && !known {
		err = damaged("repo %q has a copy without a state on node %d", d.id, c.Node)
	}
	d.copies = append(d.copies, c)
	return err
}

// finish makes a row of the fields. Its texts are one piece of memory.
func (d *rowReader) finish() (*Repo, error) {
	row := d.row
	if d.policy < 1 || d.policy > uint64(len(d.policies)) || len(d.urls) == 0 || len(d.urls) != len(d.keys) {
		return nil, damaged("repo %q without its policy or urls", d.name)
	}
	row.Policy = d.policies[d.policy-1]
	d.text = append(append(append(d.text, d.id...), d.name...), d.candidate...)
	row.ID, row.Name, row.candidate = cut(string(d.text), len(d.id), len(d.name))
	row.head = d.headOf(d.head)
	row.Copies = slices.Clone(d.copies)
	if len(d.rest) > 0 {
		if err := d.rarely(); err != nil {
			return nil, err
		}
	}
	if len(d.urls) == 1 {
		row.urlsFromName = saidBy(row.Name, d.urls[0], d.keys[0])
	}
	if row.urlsFromName == urlsListed {
		row.ownRarely()
		row.urls, row.urlKeys = texts(d.urls), texts(d.keys)
	}
	return row, nil
}

func (d *rowReader) headOf(name []byte) unique.Handle[string] {
	h, known := d.heads[string(name)]
	if !known {
		h = unique.Make(string(name))
		d.heads[string(name)] = h
	}
	return h
}

func texts(list [][]byte) []string {
	out := make([]string, len(list))
	for i, b := range list {
		out[i] = string(b)
	}
	return out
}

// ownRarely gives a new row what it need not share.
func (r *Repo) ownRarely() {
	if r.Rarely == ordinary {
		r.Rarely = new(Rarely)
	}
}

// rarely brings what few rows have into the row.
func (d *rowReader) rarely() error {
	rec, row := new(snapshot.Repo), d.row
	if err := proto.Unmarshal(d.rest, rec); err != nil {
		return damaged("%w", err)
	}
	row.ownRarely()
	row.Labels = d.shared.labelSet(rec.GetLabels())
	for _, g := range rec.GetLost() {
		row.Lost = append(row.Lost, Generation{Number: g.GetNumber(), Digest: digestFrom(g.GetDigest())})
	}
	row.Error = failureOf(rec.GetError())
	if h := rec.GetHold(); h != nil {
		row.Hold = &Hold{Reason: h.GetReason(), Since: fromMS(h.GetSinceMs()), Lost: h.GetLost(), Settled: h.GetSettled(), First: h.GetFirst()}
		row.Hold.Observed = digestFrom(h.GetObserved())
		row.Hold.Losses = digestFrom(h.GetLosses())
	}
	if a := rec.GetApproved(); a != nil {
		row.Approved = &Approval{At: fromMS(a.GetAtMs()), Count: a.GetCount(), First: a.GetFirst(), Index: a.GetIndex(), Unpinned: a.GetUnpinned()}
		row.Approved.Observed = digestFrom(a.GetObserved())
		row.Approved.Losses = digestFrom(a.GetLosses())
	}
	for _, rel := range rec.GetReleased() {
		row.Released = append(row.Released, Release{Ref: rel.GetRef(), OID: rel.GetOid(), Upstream: rel.Upstream, At: fromMS(rel.GetAtMs()), Index: rel.GetIndex()})
	}
	for _, p := range rec.GetPins() {
		row.Pins = append(row.Pins, Pin{p.GetRef(), p.GetOid()})
	}
	if m := rec.GetMoved(); m != nil {
		row.Moved = &Moved{From: m.GetFrom(), To: m.GetTo(), Since: fromMS(m.GetSinceMs())}
	}
	if f := rec.GetFallback(); f != nil {
		row.Fallback = &Fallback{URL: f.GetUrl(), Since: fromMS(f.GetSinceMs())}
	}
	row.Sourced = d.shared.sourcedOf(rec.GetSourced())
	row.Aliases, row.Paused, row.came, row.cameAt = rec.GetAliases(), rec.GetPaused(), rec.GetCame(), rec.GetCameIndex()
	row.compact()
	return nil
}

// addRepo takes a row, whose nodes must have come before.
func (b *builder) addRepo(record []byte) error {
	row, err := b.rows.read(record)
	if err != nil {
		return err
	}
	for i, c := range row.Copies {
		if b.nodes[c.Node] == nil || i > 0 && row.Copies[i-1].Node >= c.Node {
			return damaged("repo %q has a copy on node %d", row.Name, c.Node)
		}
	}
	return b.loader.add(row)
}
