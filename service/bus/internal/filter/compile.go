package filter

// truth and scalar are the compiled forms of conditions and values. They keep no
// state, so one compiled filter serves any number of evaluations at once.
type (
	truth  func(Properties) (Tristate, error)
	scalar func(Properties) (value, error)
)

func compileTruth(n node) truth {
	switch n := n.(type) {
	case *logical:
		return compileLogical(n)
	case *negation:
		operand := compileTruth(n.operand)
		return func(p Properties) (Tristate, error) {
			t, err := operand(p)
			return t.Not(), err
		}
	case *comparison:
		return compileComparison(n)
	case *nullTest:
		return compileNullTest(n)
	case *membership:
		return compileMembership(n)
	case *pattern:
		return compilePattern(n)
	case *existence:
		return compileExistence(n)
	}
	return compileBoolean(n)
}

// compileLogical does not look at the right side when the left has decided.
func compileLogical(n *logical) truth {
	left, right := compileTruth(n.left), compileTruth(n.right)
	decided, combine := False, Tristate.And
	if n.or {
		decided, combine = True, Tristate.Or
	}
	return func(p Properties) (Tristate, error) {
		t, err := left(p)
		if err != nil || t == decided {
			return t, err
		}
		u, err := right(p)
		return combine(t, u), err
	}
}

// compileComparison spares the call for a side that is constant, as most right
// sides are.
func compileComparison(n *comparison) truth {
	op, left := n.op, compileScalar(n.left)
	if constant, ok := constantOf(n.right); ok {
		return func(p Properties) (Tristate, error) {
			a, err := left(p)
			if err != nil {
				return Unknown, err
			}
			return compare(op, a, constant)
		}
	}
	right := compileScalar(n.right)
	return func(p Properties) (Tristate, error) {
		a, err := left(p)
		if err != nil {
			return Unknown, err
		}
		b, err := right(p)
		if err != nil {
			return Unknown, err
		}
		return compare(op, a, b)
	}
}

func compileNullTest(n *nullTest) truth {
	operand, not := compileScalar(n.operand), n.not
	return func(p Properties) (Tristate, error) {
		v, err := operand(p)
		return truthOf((v.kind <= null) != not), err
	}
}

// compileMembership is an OR of comparisons that an unknown left side makes unknown.
func compileMembership(n *membership) truth {
	operand, not := compileScalar(n.operand), n.not
	items := make([]scalar, len(n.list))
	for i, item := range n.list {
		items[i] = compileScalar(item)
	}
	return func(p Properties) (Tristate, error) {
		v, err := operand(p)
		if err != nil || v.kind <= null {
			return Unknown, err
		}
		found := False
		for _, item := range items {
			candidate, err := item(p)
			if err != nil {
				return Unknown, err
			}
			same, err := compare(opEqual, v, candidate)
			if err != nil {
				return Unknown, err
			}
			if found = found.Or(same); found == True {
				break
			}
		}
		if not {
			found = found.Not()
		}
		return found, nil
	}
}

// constant compiles a pattern that is the same for every message.
func (n *pattern) constant() (p likePattern, ok bool, err error) {
	like, likeOK := constantOf(n.like)
	escape, escapeOK := textValue(""), true
	if n.escape != nil {
		escape, escapeOK = constantOf(n.escape)
	}
	if !likeOK || !escapeOK || like.kind <= null || escape.kind <= null {
		return likePattern{}, false, nil
	}
	p, err = n.build(like, escape)
	return p, err == nil, err
}

func (n *pattern) build(like, escape value) (likePattern, error) {
	if like.kind != text || escape.kind != text {
		return likePattern{}, evaluationError("LIKE needs a string as its pattern and escape character")
	}
	if n.escape == nil {
		return compileLike(like.text, 0)
	}
	mark, err := escapeRune(escape.text)
	if err != nil {
		return likePattern{}, err
	}
	return compileLike(like.text, mark)
}

func compilePattern(n *pattern) truth {
	build := compilePatternBuild(n)
	operand, not := compileScalar(n.operand), n.not
	return func(p Properties) (Tristate, error) {
		v, err := operand(p)
		if err != nil || v.kind <= null {
			return Unknown, err
		}
		like, known, err := build(p)
		if err != nil || !known {
			return Unknown, err
		}
		if v.kind != text {
			return Unknown, evaluationError("LIKE has no meaning for %s", v.kind.family())
		}
		return truthOf(like.match(v.text) != not), nil
	}
}

// compilePatternBuild gives the pattern for a message; it is not known when the
// pattern or its escape character is unknown or null.
func compilePatternBuild(n *pattern) func(Properties) (p likePattern, known bool, err error) {
	if constant, ok, _ := n.constant(); ok {
		return func(Properties) (likePattern, bool, error) { return constant, true, nil }
	}
	like := compileScalar(n.like)
	escape := scalar(func(Properties) (value, error) { return textValue(""), nil })
	if n.escape != nil {
		escape = compileScalar(n.escape)
	}
	return func(p Properties) (likePattern, bool, error) {
		pattern, err := like(p)
		if err != nil {
			return likePattern{}, false, err
		}
		mark, err := escape(p)
		if err != nil || pattern.kind <= null || mark.kind <= null {
			return likePattern{}, false, err
		}
		built, err := n.build(pattern, mark)
		return built, err == nil, err
	}
}

// compileExistence is true for a property that is there, even when it is null; a
// system property is there when it is set.
func compileExistence(n *existence) truth {
	operand := compileScalar(n.property)
	least := null
	if prop, ok := n.property.(*property); ok && prop.system {
		least = boolean
	}
	return func(p Properties) (Tristate, error) {
		v, err := operand(p)
		return truthOf(v.kind >= least), err
	}
}

// compileBoolean lets a value that is true or false stand for a condition.
func compileBoolean(n node) truth {
	operand := compileScalar(n)
	return func(p Properties) (Tristate, error) {
		v, err := operand(p)
		switch {
		case err != nil || v.kind <= null:
			return Unknown, err
		case v.kind != boolean:
			return Unknown, evaluationError("expected true or false, found %s in %s", v.kind.family(), n)
		}
		return truthOf(v.bits != 0), nil
	}
}

// constantOf is the value of a literal or a parameter.
func constantOf(n node) (value, bool) {
	switch n := n.(type) {
	case *literal:
		return n.value, true
	case *parameter:
		return n.value, true
	}
	return value{}, false
}

func compileScalar(n node) scalar {
	if constant, ok := constantOf(n); ok {
		return func(Properties) (value, error) { return constant, nil }
	}
	switch n := n.(type) {
	case *property:
		return compileProperty(n)
	case *lookup:
		return compileLookup(n)
	case *sign:
		return compileSign(n)
	case *arithmetic:
		op, left, right := n.op, compileScalar(n.left), compileScalar(n.right)
		return func(p Properties) (value, error) {
			a, err := left(p)
			if err != nil {
				return value{}, err
			}
			b, err := right(p)
			if err != nil {
				return value{}, err
			}
			return calculate(op, a, b)
		}
	}
	return evaluateNewID // the parser lets no other node stand for a value
}

func compileProperty(n *property) scalar {
	name := n.name
	if !n.system {
		return func(p Properties) (value, error) { return userProperty(p, name), nil }
	}
	return func(p Properties) (value, error) {
		x, ok := p.System(name)
		if !ok {
			return value{}, evaluationError("messages have no system property sys.%s", name)
		}
		return valueOf(x), nil
	}
}

func userProperty(p Properties, name string) value {
	x, ok := p.User(name)
	if !ok {
		return value{}
	}
	return valueOf(x)
}

// compileLookup finds a user property whose name is itself an expression.
func compileLookup(n *lookup) scalar {
	name := compileScalar(n.name)
	return func(p Properties) (value, error) {
		v, err := name(p)
		switch {
		case err != nil || v.kind <= null:
			return value{}, err
		case v.kind != text:
			return value{}, evaluationError("property() needs a name, found %s", v.kind.family())
		}
		return userProperty(p, v.text), nil
	}
}

func compileSign(n *sign) scalar {
	operand := compileScalar(n.operand)
	if n.minus {
		return func(p Properties) (value, error) {
			v, err := operand(p)
			if err != nil {
				return value{}, err
			}
			return negate(v)
		}
	}
	return func(p Properties) (value, error) {
		v, err := operand(p)
		f := v.kind.family()
		if err == nil && v.kind > null && f != familyNumber && f != familySpan {
			err = evaluationError("unary '+' has no meaning for %s", f)
		}
		return v, err
	}
}

func evaluateNewID(p Properties) (value, error) {
	source, ok := p.(IDSource)
	if !ok {
		return value{}, evaluationError("newid() cannot be used here")
	}
	return value{kind: guid, ref: source.NewID()}, nil
}
