package template

import (
	"strings"
	"testing"
	"time"
)

// evaluated evaluates an expression alone, at a known time.
func evaluated(t *testing.T, expression string, at place) (any, error) {
	t.Helper()
	o := Options{Name: "main", Scope: Scope{Subscription: "00000000-0000-0000-0000-00000000000a", ResourceGroup: "rg"}, Now: time.Date(2019, 3, 5, 17, 53, 18, 0, time.UTC), NewGUID: func() string { return "11111111-2222-4333-8444-555555555555" }, steps: new(int)}
	template, problems := Read([]byte(`{"resources": [], "parameters": {"o": {"type": "object", "defaultValue": {"one": "a", "two": {"deep": [1, 2]}}}}}`))
	if problems != nil {
		t.Fatal(problems)
	}
	w := newWorld(template, nil, &o, &collector{})
	e := &env{world: w, stage: &stage{scope: o.Scope}, place: at}
	return e.evaluateText("[" + expression + "]")
}

// TestFunctions holds every function against results: those of the public documentation
// where it gives one, known pairs of the hashes, and what follows from the words.
func TestFunctions(t *testing.T) {
	results := map[string]string{
		// array
		"array(1)": `[1]`, "array('efgh')": `["efgh"]`, "array(createObject('a','b','c','d'))": `[{"a":"b","c":"d"}]`, "array(createArray(1))": `[1]`,
		"concat(createArray('1-1','1-2','1-3'), createArray('2-1','2-2','2-3'))": `["1-1","1-2","1-3","2-1","2-2","2-3"]`,
		"concat('prefix', '-', 5)": `"prefix-5"`, "concat()": `""`, "concat('a', true())": `"aTrue"`,
		"contains('OneTwoThree', 'e')": `true`, "contains('OneTwoThree', 'z')": `false`,
		"contains(createObject('one','a','two','b'), 'ONE')": `true`, "contains(createObject('one','a'), 'a')": `false`,
		"contains(createArray('one','two','three'), 'three')": `true`, "contains(createArray('one'), 'four')": `false`,
		"createArray('a','b','c')": `["a","b","c"]`, "createArray(createArray(1),createObject('a',null()))": `[[1],{"a":null}]`, "createArray()": `[]`,
		"empty(createArray())": `true`, "empty(createObject())": `true`, "empty('')": `true`, "empty(null())": `true`, "empty('x')": `false`,
		"first(createArray('one','two','three'))": `"one"`, "first('One Two Three')": `"O"`,
		"last(createArray('one','two','three'))": `"three"`, "last('One Two Three')": `"e"`,
		"flatten(createArray(createArray('one','two'),createArray('three'),createArray('four','five')))":            `["one","two","three","four","five"]`,
		"indexOf(createArray('one','two','three','two'), 'two')":                                                    `1`,
		"lastIndexOf(createArray('one','two','three','two'), 'two')":                                                `3`,
		"indexOf(createArray(1,2), 3)":                                                                              `-1`,
		"intersection(createObject('one','a','two','b','three','c'),createObject('one','a','two','z','three','c'))": `{"one":"a","three":"c"}`,
		"intersection(createArray('one','two','three'),createArray('two','three'))":                                 `["two","three"]`,
		"length(createArray('one','two','three'))":                                                                  `3`, "length('One Two Three')": `13`, "length(parameters('o'))": `2`,
		"max(createArray(0,3,2,5,4))": `5`, "max(0,3,2,5,4)": `5`, "min(createArray(0,3,2,5,4))": `0`, "min(0,3,2,5,4)": `0`,
		"range(5, 3)": `[5,6,7]`, "skip(createArray('one','two','three'), 2)": `["three"]`, "skip('one two three', 4)": `"two three"`,
		"take(createArray('one','two','three'), 2)": `["one","two"]`, "take('one two three', 2)": `"on"`, "take('ab', 5)": `"ab"`, "skip(createArray(1), 5)": `[]`,
		"union(createObject('one','a','two','b','three','c1'),createObject('three','c2','four','d','five','e'))": `{"one":"a","two":"b","three":"c2","four":"d","five":"e"}`,
		"union(createArray('one','two','three'),createArray('three','four'))":                                    `["one","two","three","four"]`,
		"union(createObject('p',createObject('one','a','two','b')),createObject('p',createObject('two','c')))":   `{"p":{"one":"a","two":"c"}}`,
		"indexFromEnd(createArray('a','b','c'), 1)":                                                              `"c"`, "tryIndexFromEnd(createArray('a'), 2)": `null`,
		// comparison
		"coalesce(null(), 'first', 'second')": `"first"`, "coalesce(null())": `null`, "coalesce(1, fail('not reached'))": `1`,
		"equals(1, 1)": `true`, "equals('a', 'A')": `false`, "equals(createArray('a','b'), createArray('a','b'))": `true`, "equals(createObject('a','b'), createObject('a','b'))": `true`, "equals(1,'1')": `false`,
		"greater(1, 2)": `false`, "greater('A', 'a')": `false`, "greaterOrEquals(1, 2)": `false`, "greaterOrEquals('b','a')": `true`,
		"less(1, 2)": `true`, "less('b','a')": `false`, "lessOrEquals(1, 2)": `true`, "lessOrEquals(2, 2)": `true`,
		// date
		"dateTimeAdd('2020-04-07 14:53:14Z', 'P3Y')": `"2023-04-07 14:53:14Z"`, "dateTimeAdd('2020-04-07 14:53:14Z', '-P9D')": `"2020-03-29 14:53:14Z"`,
		"dateTimeAdd('2020-04-07T14:53:14Z', 'PT1H')": `"2020-04-07T15:53:14Z"`, "dateTimeAdd('2020-04-07T14:53:14Z', 'P1DT1H30M', 'yyyy/MM/dd HH.mm')": `"2020/04/08 16.23"`,
		"dateTimeAdd('2020-01-31', 'P2W')": `"2020-02-14"`,
		"dateTimeFromEpoch(1683040573)":    `"2023-05-02T15:16:13Z"`, "dateTimeToEpoch('2023-05-02T15:16:13Z')": `1683040573`,
		// deployment
		"deployment().name": `"main"`, "environment().suffixes.storage": `"core.windows.net"`, "parameters('O').TWO.deep[1]": `2`,
		"deployer().tenantId": `"00000000-0000-0000-0000-000000000000"`,
		// lambda
		"filter(createArray(1,2,3), lambda('n', greater(lambdaVariables('n'), 1)))":                                              `[2,3]`,
		"filter(createArray('a','b'), lambda('n', 'i', equals(lambdaVariables('i'), 1)))":                                        `["b"]`,
		"map(createArray('a','b'), lambda('s', 'i', format('{0}{1}', lambdaVariables('s'), lambdaVariables('i'))))":              `["a0","b1"]`,
		"map(createArray(1,2), lambda('x', map(createArray(10), lambda('y', add(lambdaVariables('x'), lambdaVariables('y'))))))": `[[11],[12]]`,
		"reduce(createArray(1,2,3), 0, lambda('sum', 'n', add(lambdaVariables('sum'), lambdaVariables('n'))))":                   `6`,
		"sort(createArray(3,1,2), lambda('a', 'b', less(lambdaVariables('a'), lambdaVariables('b'))))":                           `[1,2,3]`,
		"toObject(createArray('a','b'), lambda('k', lambdaVariables('k')), lambda('v', toUpper(lambdaVariables('v'))))":          `{"a":"A","b":"B"}`,
		"toObject(createArray('a'), lambda('k', lambdaVariables('k')))":                                                          `{"a":"a"}`,
		"groupBy(createArray('foo','bar','baz'), lambda('x', substring(lambdaVariables('x'), 0, 1)))":                            `{"f":["foo"],"b":["bar","baz"]}`,
		"mapValues(createObject('a', 1), lambda('v', add(lambdaVariables('v'), 1)))":                                             `{"a":2}`,
		// logical
		"and(bool('true'), bool('false'))": `false`, "or(bool('true'), bool('false'))": `true`, "not(bool('true'))": `false`, "and(false(), fail('x'))": `false`, "or(true(), fail('x'))": `true`,
		"xor(true(), true())": `false`, "bool(1)": `true`, "bool('false')": `false`, "true()": `true`, "false()": `false`,
		"if(equals('a','a'), 'yes', fail('no'))": `"yes"`, "if(equals('a','b'), fail('yes'), createObject('a', 1))": `{"a":1}`,
		// numeric
		"add(5, 3)": `8`, "sub(7, 3)": `4`, "mul(5, 3)": `15`, "div(8, 3)": `2`, "mod(7, 3)": `1`, "int('4')": `4`, "float('3.5')": `3.5`, "float(3)": `3.0`, "add(-5, 3)": `-2`,
		// object
		"createObject('intProp', 1, 'stringProp', 'abc', 'boolProp', true(), 'arrayProp', createArray('a'), 'objectProp', createObject('key1', 'value1'))": `{"intProp":1,"stringProp":"abc","boolProp":true,"arrayProp":["a"],"objectProp":{"key1":"value1"}}`,
		"items(createObject('b', 2, 'a', 1))": `[{"key":"a","value":1},{"key":"b","value":2}]`, "objectKeys(createObject('b', 2, 'a', 1))": `["a","b"]`,
		"shallowMerge(createArray(createObject('a', createObject('x', 1)), createObject('a', createObject('y', 2))))": `{"a":{"y":2}}`,
		"tryGet(parameters('o'), 'two', 'deep', 0)": `1`, "tryGet(parameters('o'), 'three', 'deep')": `null`,
		"json('{\"a\": [1, 1.5, null, true]}')": `{"a":[1,1.5,null,true]}`, "json('null')": `null`, "json(concat('{\"a\":\"', 'demo', '\"}')).a": `"demo"`, "null()": `null`,
		// resource and scope
		"resourceId('Microsoft.Storage/storageAccounts','examplestorage')":                                          `"/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/examplestorage"`,
		"resourceId('otherGroup', 'Microsoft.Storage/storageAccounts','s')":                                         `"/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/otherGroup/providers/Microsoft.Storage/storageAccounts/s"`,
		"resourceId('11111111-1111-1111-1111-111111111111', 'g', 'Microsoft.Storage/storageAccounts','s')":          `"/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/s"`,
		"resourceId('Microsoft.ServiceBus/namespaces/topics/subscriptions','n','t','s')":                            `"/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/rg/providers/Microsoft.ServiceBus/namespaces/n/topics/t/subscriptions/s"`,
		"resourceId('Microsoft.ServiceBus/namespaces/providers/roleAssignments','n','Microsoft.Authorization','r')": `"/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/rg/providers/Microsoft.ServiceBus/namespaces/n/providers/Microsoft.Authorization/roleAssignments/r"`,
		"subscriptionResourceId('Microsoft.Authorization/roleDefinitions','x')":                                     `"/subscriptions/00000000-0000-0000-0000-00000000000a/providers/Microsoft.Authorization/roleDefinitions/x"`,
		"tenantResourceId('Microsoft.Authorization/roleDefinitions','x')":                                           `"/providers/Microsoft.Authorization/roleDefinitions/x"`,
		"managementGroupResourceId('mg', 'Microsoft.Authorization/policyDefinitions','x')":                          `"/providers/Microsoft.Management/managementGroups/mg/providers/Microsoft.Authorization/policyDefinitions/x"`,
		"extensionResourceId('/a/b', 'Microsoft.Authorization/locks', 'l')":                                         `"/a/b/providers/Microsoft.Authorization/locks/l"`,
		"toLogicalZone('s', 'westus2', 'westus2-az1')":                                                              `"1"`, "toPhysicalZone('s', 'westus2', '1')": `"westus2-az1"`,
		"toLogicalZones('s', 'westus2', createArray('westus2-az1', 'westus2-az2'))": `["1","2"]`, "toPhysicalZones('s', 'westus2', createArray('3'))": `["westus2-az3"]`,
		"resourceId('Microsoft.Network/virtualNetworks/subnets', 'net/sub')": `"/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/net/subnets/sub"`,
		"resourceGroup().id":                          `"/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/rg"`,
		"subscription().subscriptionId":               `"00000000-0000-0000-0000-00000000000a"`,
		"tenant().tenantId":                           `"00000000-0000-0000-0000-000000000000"`,
		"providers('Microsoft.X','y').apiVersions[0]": `"2024-01-01"`, "pickZones('Microsoft.Compute','virtualMachines','westus2')": `[]`,
		// string
		"base64('one, two, three')": `"b25lLCB0d28sIHRocmVl"`, "base64ToString('b25lLCB0d28sIHRocmVl')": `"one, two, three"`,
		"base64ToJson(base64('{\"one\": \"a\", \"two\": \"b\"}'))": `{"one":"a","two":"b"}`,
		"dataUri('Hello')": `"data:text/plain;charset=utf8;base64,SGVsbG8="`, "dataUriToString('data:;base64,SGVsbG8sIFdvcmxkIQ==')": `"Hello, World!"`,
		"endsWith('abcdef', 'ef')": `true`, "endsWith('abcdef', 'F')": `true`, "endsWith('abcdef', 'e')": `false`,
		"startsWith('abcdef', 'ab')": `true`, "startsWith('abcdef', 'A')": `true`, "startsWith('abcdef', 'e')": `false`,
		"format('{0}, {1}. Formatted number: {2:N0}', 'Hello', 'User', 8175133)": `"Hello, User. Formatted number: 8,175,133"`,
		"format('{0:D4}|{0,6}|{0,-6}|{0:X}|{0:000}|{{{0}}}', 42)":                `"0042|    42|42    |2A|042|{42}"`, "format('{0} {1}', true(), null())": `"True "`,
		"indexOf('test', 't')": `0`, "lastIndexOf('test', 't')": `3`, "indexOf('abcdef', 'CD')": `2`, "lastIndexOf('abcdef', 'AB')": `0`, "indexOf('abcdef', 'z')": `-1`,
		"join(createArray('a','b',1), ', ')": `"a, b, 1"`, "padLeft('123', 10, '0')": `"0000000123"`, "padLeft(5, 3)": `"  5"`,
		"replace('123-123-1234', '-', '')": `"1231231234"`, "replace('123-123-1234', '1234', 'xxxx')": `"123-123-xxxx"`,
		"split('one,two,three', ',')": `["one","two","three"]`, "split('one;two,three', createArray(',', ';'))": `["one","two","three"]`,
		"string(createObject('valueA', 10, 'valueB', 'Example Text'))": `"{\"valueA\":10,\"valueB\":\"Example Text\"}"`, "string(createArray('a','b'))": `"[\"a\",\"b\"]"`, "string(5)": `"5"`, "string(true())": `"True"`,
		"substring('one two three', 4, 3)": `"two"`, "substring('one', 1)": `"ne"`, "toLower('One Two')": `"one two"`, "toUpper('One')": `"ONE"`, "trim('    one two three   ')": `"one two three"`,
		"uri('http://contoso.org/firstpath/', 'myscript.sh')": `"http://contoso.org/firstpath/myscript.sh"`, "uri('http://contoso.org/firstpath', 'myscript.sh')": `"http://contoso.org/myscript.sh"`,
		"uri('http://contoso.org/firstpath/azuredeploy.json/', 'myscript.sh')": `"http://contoso.org/firstpath/azuredeploy.json/myscript.sh"`,
		"uriComponent('http://contoso.com/resources/nested/azuredeploy.json')": `"http%3A%2F%2Fcontoso.com%2Fresources%2Fnested%2Fazuredeploy.json"`,
		"uriComponentToString('http%3A%2F%2Fcontoso.com%2Fresources')":         `"http://contoso.com/resources"`, "uriComponent('a b+c')": `"a%20b%2Bc"`,
		"uniqueString('test')": `"rbgf3xv4ufgzg"`, "uniqueString('hello', 'world')": `"a7wkljktk6wne"`, "uniqueString('abc')": `"cgtzqvhu4i23s"`, "uniqueString('foo','bar','baz')": `"xzi4ioaxtmth4"`,
		"uniqueString('/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/my-rg')":                                                                               `"bmg7c6xu4tw46"`,
		"uniqueString('/subscriptions/31e9f9a0-9fd2-4294-a0a3-0101246d9700/resourceGroups/rg-modm201-20230913120256/providers/Microsoft.Compute/virtualMachines/bobjacmodm201')": `"yvjxno3je5on2"`,
		"length(guid('a', 'b'))": `36`, "equals(guid('a','b'), guid('a-b'))": `true`, "substring(guid('x'), 14, 1)": `"5"`,
		// CIDR
		"parseCidr('10.144.0.0/20')":         `{"network":"10.144.0.0","netmask":"255.255.240.0","broadcast":"10.144.15.255","firstUsable":"10.144.0.1","lastUsable":"10.144.15.254","cidr":20}`,
		"parseCidr('fdad:3236:5555::/48')":   `{"network":"fdad:3236:5555::","netmask":"ffff:ffff:ffff::","firstUsable":"fdad:3236:5555::","lastUsable":"fdad:3236:5555:ffff:ffff:ffff:ffff:ffff","cidr":48}`,
		"cidrSubnet('10.144.0.0/20', 24, 0)": `"10.144.0.0/24"`, "cidrSubnet('10.144.0.0/20', 24, 4)": `"10.144.4.0/24"`, "cidrSubnet('fdad:3236:5555::/48', 52, 1)": `"fdad:3236:5555:1000::/52"`,
		"cidrHost('10.144.3.0/24', 0)": `"10.144.3.1"`, "cidrHost('10.144.3.0/24', 4)": `"10.144.3.5"`,
		// the language
		"'it''s'": `"it's"`, " concat ( 'a' ,\n 'b' ) ": `"ab"`, "createArray(1,2)[1]": `2`, "parameters('o')['one']": `"a"`, "parameters('o').?three.?x": `null`, "-5": `-5`,
	}
	for expression, want := range results {
		v, err := evaluated(t, expression, inOutput)
		if err != nil || JSON(v) != want {
			t.Errorf("%s = %s (%v), want %s", expression, JSON(v), err, want)
		}
	}
	for expression, want := range map[string]string{
		"utcNow()": `"20190305T175318Z"`, "utcNow('d')": `"03/05/2019"`, "utcNow('M d')": `"3 5"`, "utcNow('u')": `"2019-03-05 17:53:18Z"`, "utcNow('yyyy-MM-ddTHH:mm:ss.fffZ')": `"2019-03-05T17:53:18.000Z"`,
		"newGuid()": `"11111111-2222-4333-8444-555555555555"`,
	} {
		if v, err := evaluated(t, expression, inParameter); err != nil || JSON(v) != want {
			t.Errorf("%s = %s (%v), want %s", expression, JSON(v), err, want)
		}
	}
	tested := map[string]bool{"variables": true, "copyindex": true, "reference": true, "references": true, "list*": true, "managementgroup": true, "fail": true} // in other tests
	for expression := range results {
		for key := range allFunctions() {
			if strings.Contains(strings.ToLower(expression), key+"(") {
				tested[key] = true
			}
		}
	}
	for key := range allFunctions() {
		if !tested[key] && key != "utcnow" && key != "newguid" {
			t.Errorf("no result of the function %s is tested", key)
		}
	}
}

// TestRefusedExpressions: each says what is wrong in words that lead on.
func TestRefusedExpressions(t *testing.T) {
	for expression, want := range map[string]string{
		"concatt('a')":                "there is no function concatt; did you mean concat?",
		"toLower()":                   "toLower takes 1 argument, and has 0 here: toLower(string)",
		"toLower(5)":                  "in toLower: argument 1 must be a string, and is 5",
		"parameters('x')":             "the template has no parameter 'x'; it has o",
		"parameters('o').three":       "there is no property 'three' (there are: one, two) in parameters('o')",
		"parameters('o').two.deep[7]": "there is no element 7 (there are 2, from 0)",
		"concat('a'":                  "expected ',' or ')' among the arguments of concat",
		"concat('a)":                  "the string that begins here has no end",
		"foo":                         `"foo" is no value: strings need single quotes, functions need ( )`,
		"'a' 'b'":                     "expected the end of the expression, found '\\''",
		"1.5":                         "write json('1.5')",
		"utcNow()":                    "it may stand in the default value of a parameter alone, and this is an output",
		"div(1, 0)":                   "nothing can be divided by 0",
		"resourceId('ns', 'q')":       "no argument is a resource type",
		"resourceId('Microsoft.ServiceBus/namespaces/queues', 'ns')": "needs 2 names, one for each step, and has 1",
		"reference('queue')":   "'queue' is no resource of the template; write resourceId('TYPE', 'NAME')",
		"contoso.f(1)":         "the template declares no function contoso.f",
		"copyIndex()":          "there is no copy loop around this",
		"lambdaVariables('x')": "no lambda around this has a variable 'x'",
		"fail('because')":      "because",
		"json('{')":            "is no JSON",
		"if('x', 1, 2)":        "the condition must be a boolean, and is 'x'",
		"range(1, 10000000)":   "the count must be 0 to 100000",
		"managementGroup()":    "does not go to a management group",
		"format('{1}', 'a')":   "{1} has no value: there are 1, from 0",
	} {
		if v, err := evaluated(t, expression, inOutput); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s = %v (%v), want %s", expression, v, err, want)
		}
	}
}

// TestStepsAreBounded: a template cannot keep the server busy.
func TestStepsAreBounded(t *testing.T) {
	template, problems := Read([]byte(`{"resources": [], "outputs": {"o": {"type": "array", "value": "[map(range(0, 1000), lambda('a', map(range(0, 1000), lambda('b', 1))))]"}}}`))
	if problems != nil {
		t.Fatal(problems)
	}
	o, found := world0(), &collector{}
	o.steps = new(int)
	*o.steps = stepsMax - 1000 // the rest of the way is enough
	expand(template, nil, o, found)
	if len(found.list) != 1 || !strings.Contains(found.list[0].Sentence, "takes more than 10000000 steps") {
		t.Errorf("%v", found.list)
	}
}

// TestSecretsAreNotQuoted: what is wrong with a secret is said without it.
func TestSecretsAreNotQuoted(t *testing.T) {
	template, problems := Read([]byte(`{"resources": [], "parameters": {"s": {"type": "securestring", "allowedValues": ["a"]}, "o": {"type": "secureObject"}}}`))
	if problems != nil {
		t.Fatal(problems)
	}
	_, problems = Expand(template, map[string]Given{"s": {Value: "hush"}, "o": {Value: "hush"}}, world0())
	if len(problems) != 2 || strings.Contains(problems.Error(), "hush") {
		t.Errorf("%v", problems)
	}
}

// FuzzExpression: never a panic, and what is read is read again from what it is written as.
func FuzzExpression(f *testing.F) {
	for _, s := range []string{"concat('a', 'b')", "parameters('o').two.deep[0]", "map(createArray(1), lambda('x', lambdaVariables('x')))", "format('{0:N2}', 5)", "if(true(), 1, 2)", "contoso.f('x')[?1].?y", "cidrSubnet('10.0.0.0/8', 24, 5)", "dateTimeAdd('2020-04-07T14:53:14Z', 'P1DT1H')"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseExpression("[" + s + "]")
		if err != nil {
			return
		}
		again, err := parseExpression("[" + n.source() + "]")
		if err != nil || again.source() != n.source() {
			t.Fatalf("%q was read as %q, and that as %v (%v)", s, n.source(), again, err)
		}
		_, _ = evaluated(t, s, inOutput)
	})
}
