package fsm

import "gitmirror/fsm/snapshot"

var metaPart = part{
	name:  "meta",
	write: func(c *Capture, w *recordWriter) { w.write(metaRecord(&c.view.tables)) },
	read:  reads((*snapshot.Record).GetMeta, (*builder).addMeta),
}

// metaRecord is what there is one of.
func metaRecord(t *tables) *snapshot.Record {
	return &snapshot.Record{Kind: &snapshot.Record_Meta{Meta: &snapshot.Meta{
		ClusterId:  t.clusterID,
		NowMs:      t.nowMS,
		LastNode:   uint32(t.lastNode),
		LastEvent:  t.events.last,
		Format:     t.format,
		JumpedMs:   t.jumpedMS,
		LastSource: uint32(t.sources.last),
	}}}
}

func (b *builder) addMeta(m *snapshot.Meta) error {
	b.tables.clusterID = m.GetClusterId()
	b.tables.nowMS = m.GetNowMs()
	b.tables.lastNode = NodeNum(m.GetLastNode())
	b.tables.events.last = m.GetLastEvent()
	b.tables.jumpedMS = m.GetJumpedMs()
	b.tables.sources.last = SourceNum(m.GetLastSource())
	if b.tables.format = max(m.GetFormat(), 1); b.tables.format > Format {
		return damaged("cluster format %d, this binary speaks up to %d: upgrade this node", b.tables.format, Format)
	}
	return nil
}
