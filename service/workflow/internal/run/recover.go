package run

// recover finds out of a state alone what is to be done: nothing is known of tasks and
// effects that were under way when the state was lost.
func (m *machine) recover() {
	m.s.pending = m.s.pending[:0]
	// Those under way outside first, by their place.
	for _, f := range m.s.frames {
		for k := range f.instances {
			if i := &f.instances[k]; i.more != nil && i.more.waits > 0 {
				m.resume(i)
			}
		}
	}
	for _, f := range m.s.frames {
		m.look(f)
	}
}

// resume takes up again what an instance waits for outside.
func (m *machine) resume(i *instance) {
	n := &m.p.nodes[i.node]
	if i.status == Suspended {
		return
	}
	switch i.more.phase {
	case Attempting:
		if !n.idempotent {
			m.emit(&Fact{Kind: Held, At: i.place()})
			return
		}
		inputs := m.load(i.inputs)
		if m.err == nil {
			m.try(i, n, inputs)
		}
	case Asking:
		m.ask(i)
	case Leaving:
		m.unsubscribe(i, m.load(i.inputs))
	case Called:
		m.left(i, &m.p.nodes[i.node], "") // nobody will say where it is
	}
}

// look queues what may go on in a frame.
func (m *machine) look(f *frame) {
	if f.owner != nil && f.owner.status.Ended() {
		return
	}
	for k := range f.instances {
		i := &f.instances[k]
		switch n := &m.p.nodes[i.node]; {
		case i.status == NotStarted:
			m.push(maybeStart, i.place())
		case i.status == Running && n.Type == "Foreach":
			m.push(nextItems, i.place())
		}
	}
	if f.open == 0 && (f.owner == nil || f == f.owner.more.frames[len(f.owner.more.frames)-1]) {
		m.push(frameDone, Place{Frame: f.id})
	}
}
