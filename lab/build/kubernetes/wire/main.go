// Command wire says what Kubernetes' own Go types look like on the wire and in JSON.
//
//	wire table    one line a field, by reflection over every stored kind: `cargo xtask protos` keeps it
//	wire samples  random objects as Kubernetes' own encoders write them, one JSON document a line
//
// Deliberately absent: anything that knows a kind by name. What reflection can't tell, it refuses.
package main

import (
	"bufio"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsv1beta1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	apiregistrationv1beta1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1beta1"
)

// Types with a JSON form of their own, and the letter of the converter that prints each.
var converters = map[reflect.Type]string{
	reflect.TypeFor[resource.Quantity]():                                 "q",
	reflect.TypeFor[metav1.Time]():                                       "t",
	reflect.TypeFor[metav1.MicroTime]():                                  "T",
	reflect.TypeFor[metav1.Duration]():                                   "D",
	reflect.TypeFor[metav1.FieldsV1]():                                   "F",
	reflect.TypeFor[intstr.IntOrString]():                                "o",
	reflect.TypeFor[runtime.RawExtension]():                              "R",
	reflect.TypeFor[apiextensionsv1.JSON]():                              "J",
	reflect.TypeFor[apiextensionsv1beta1.JSON]():                         "J",
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrBool]():             "B",
	reflect.TypeFor[apiextensionsv1beta1.JSONSchemaPropsOrBool]():        "B",
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrArray]():            "A",
	reflect.TypeFor[apiextensionsv1beta1.JSONSchemaPropsOrArray]():       "A",
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrStringArray]():      "S",
	reflect.TypeFor[apiextensionsv1beta1.JSONSchemaPropsOrStringArray](): "S",
}

var scalars = map[reflect.Kind]string{
	reflect.String: "s", reflect.Bool: "b", reflect.Int32: "i", reflect.Int64: "l", reflect.Float64: "d",
}

func main() {
	for _, add := range []func(*runtime.Scheme) error{
		apiextensionsv1.AddToScheme, apiextensionsv1beta1.AddToScheme,
		apiregistrationv1.AddToScheme, apiregistrationv1beta1.AddToScheme,
	} {
		check(add(scheme.Scheme))
	}
	out := bufio.NewWriter(os.Stdout)
	switch strings.Join(os.Args[1:], " ") {
	case "table":
		table(out)
	case "samples":
		samples(out)
	default:
		check(fmt.Errorf("wire table|samples"))
	}
	check(out.Flush())
}

// roots are the kinds that can be stored: those with an ObjectMeta of their own.
func roots() []schema.GroupVersionKind {
	var all []schema.GroupVersionKind
	for kind, t := range scheme.Scheme.AllKnownTypes() {
		_, embeds := t.FieldByName("ObjectMeta")
		if embeds && kind.Version != runtime.APIVersionInternal {
			all = append(all, kind)
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].String() < all[j].String() })
	return all
}

func table(out *bufio.Writer) {
	messages := map[string]reflect.Type{}
	for _, kind := range roots() {
		t := scheme.Scheme.AllKnownTypes()[kind]
		apiVersion, _ := kind.ToAPIVersionAndKind()
		fmt.Fprintf(out, "!%s %s %s\n", apiVersion, kind.Kind, name(t))
		reach(t, messages)
	}
	names := make([]string, 0, len(messages))
	for n := range messages {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		fmt.Fprintf(out, "=%s\n", n)
		for _, f := range fields(messages[n]) {
			fmt.Fprintln(out, f.text)
		}
	}
}

// name is the package below k8s.io and the type: core/v1.Pod.
func name(t reflect.Type) string {
	path := t.PkgPath()
	for _, front := range []string{"k8s.io/api/", "k8s.io/apimachinery/pkg/", "k8s.io/apiextensions-apiserver/pkg/", "k8s.io/kube-aggregator/pkg/"} {
		path = strings.TrimPrefix(path, front)
	}
	return strings.TrimPrefix(path, "apis/") + "." + t.Name()
}

func reach(t reflect.Type, seen map[string]reflect.Type) {
	if _, known := seen[name(t)]; known {
		return
	}
	seen[name(t)] = t
	for _, f := range fields(t) {
		if f.message != nil {
			reach(f.message, seen)
		}
	}
}

type field struct {
	number  int
	text    string
	message reflect.Type
}

// fields of a struct that go over the wire, by number.
func fields(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		f := t.Field(i)
		wire, json := f.Tag.Get("protobuf"), f.Tag.Get("json")
		if wire == "" || wire == "-" {
			// What only JSON has: the type's own name, which the envelope carries.
			if f.Type != reflect.TypeFor[metav1.TypeMeta]() && json != "-" {
				refuse(t, f, "has no place on the wire")
			}
			continue
		}
		parts := strings.Split(wire, ",")
		var number int
		_, err := fmt.Sscan(parts[1], &number)
		check(err)
		label, options, _ := strings.Cut(json, ",")
		inline := f.Anonymous && label == ""
		if label == "" {
			label = f.Name
		}
		flags := ""
		for _, option := range strings.Split(options, ",") {
			switch option {
			case "", "inline":
			case "omitempty":
				flags += "?"
			case "omitzero":
				if f.Type != reflect.TypeFor[metav1.Time]() {
					refuse(t, f, "omitzero of something other than a time")
				}
				flags += "!"
			default:
				refuse(t, f, "option "+option)
			}
		}
		kind, message := describe(t, f)
		if inline {
			kind = "<" + kind
			if !strings.HasPrefix(kind, "<m") {
				refuse(t, f, "inlined, and no message")
			}
		}
		text := fmt.Sprintf("%d %s%s %s", number, label, flags, kind)
		if message != nil {
			short := name(message)
			if message.PkgPath() == t.PkgPath() {
				short = message.Name()
			}
			text += " " + short
		}
		all = append(all, field{number, text, message})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].number < all[j].number })
	return all
}

func describe(parent reflect.Type, f reflect.StructField) (string, reflect.Type) {
	front, t := "", f.Type
	switch {
	case t.Kind() == reflect.Pointer:
		front, t = "*", t.Elem()
	case own(t):
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		front, t = "[", t.Elem()
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		front, t = "{", t.Elem()
	}
	if letter, known := converters[t]; known {
		if strings.Contains("BAS", letter) {
			// Its two fields are a schema and a flag, a list or names; all refer to the schema.
			schema, _ := t.FieldByName("Schema")
			return front + letter, schema.Type.Elem()
		}
		return front + letter, nil
	}
	for _, special := range []reflect.Type{reflect.TypeFor[interface{ MarshalJSON() ([]byte, error) }](), reflect.TypeFor[interface{ MarshalText() ([]byte, error) }]()} {
		if t.Implements(special) || reflect.PointerTo(t).Implements(special) {
			refuse(parent, f, "has a JSON form that no converter knows")
		}
	}
	if letter, known := scalars[t.Kind()]; known {
		return front + letter, nil
	}
	switch {
	case t.Kind() == reflect.Struct && own(t):
		return front + "m", t
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return front + "y", nil
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String && own(t):
		return front + "a", nil
	}
	refuse(parent, f, "has a type that the table can't say: "+f.Type.String())
	return "", nil
}

// own says whether a type is a message of its own.
func own(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[interface{ Unmarshal([]byte) error }]())
}

func refuse(t reflect.Type, f reflect.StructField, why string) {
	check(fmt.Errorf("%s.%s: %s", name(t), f.Name, why))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
