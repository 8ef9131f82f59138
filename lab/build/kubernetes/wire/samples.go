package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsv1beta1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
)

// perKind is how many objects of each kind are made, from sparse to full.
const perKind = 6

// sample is one object in the encodings that a datastore may hold, and the JSON that must come out.
type sample struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Protobuf   []byte          `json:"protobuf"`
	CBOR       []byte          `json:"cbor"`
	JSON       json.RawMessage `json:"json"`
}

func samples(out *bufio.Writer) {
	wire := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	compact := cbor.NewSerializer(scheme.Scheme, scheme.Scheme)
	for number, kind := range roots() {
		for round := range perKind {
			object, err := scheme.Scheme.New(kind)
			check(err)
			f := filler{random: rand.New(rand.NewSource(int64(number*perKind + round))), share: float64(round) / (perKind - 1)}
			f.fill(reflect.ValueOf(object).Elem(), 0)
			object.GetObjectKind().SetGroupVersionKind(kind)
			var stored bytes.Buffer
			check(wire.Encode(object, &stored))
			// What a server prints is what it read: empty lists are lost on the way.
			read, err := scheme.Scheme.New(kind)
			check(err)
			_, _, err = wire.Decode(stored.Bytes(), &kind, read)
			check(err)
			read.GetObjectKind().SetGroupVersionKind(kind)
			printed, err := json.Marshal(read)
			check(err)
			var concise bytes.Buffer
			check(compact.Encode(read, &concise))
			apiVersion, name := kind.ToAPIVersionAndKind()
			line, err := json.Marshal(sample{apiVersion, name, stored.Bytes(), concise.Bytes(), printed})
			check(err)
			fmt.Fprintf(out, "%s\n", line)
		}
	}
}

// filler fills objects; share is how much of what may be absent is there.
type filler struct {
	random *rand.Rand
	share  float64
}

// Deeper than this only what must be there is filled: schemas contain themselves.
const deepest = 9

func (f filler) fill(v reflect.Value, depth int) {
	if f.special(v) {
		return
	}
	some := depth < deepest && f.random.Float64() < f.share
	switch v.Kind() {
	case reflect.Pointer:
		if some {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Type != reflect.TypeFor[metav1.TypeMeta]() && v.Field(i).CanSet() {
				f.fill(v.Field(i), depth+1)
			}
		}
	case reflect.Slice:
		if !some {
			return
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(f.text()))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1+f.random.Intn(2), 2))
		for i := range v.Len() {
			f.fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		if !some {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for range 1 + f.random.Intn(3) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			key.SetString(f.text())
			f.fill(value, depth+1)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		if f.random.Float64() < f.share {
			v.SetString(f.text())
		}
	case reflect.Bool:
		v.SetBool(some)
	case reflect.Int32:
		if some {
			v.SetInt(int64(int32(f.random.Uint32())))
		}
	case reflect.Int64:
		if some {
			v.SetInt(int64(f.random.Uint64()))
		}
	case reflect.Float64:
		if some {
			v.SetFloat(f.random.NormFloat64() * 1e6)
		}
	default:
		check(fmt.Errorf("no filling for a %s", v.Type()))
	}
}

// special fills the types whose parts may not be anything.
func (f filler) special(v reflect.Value) bool {
	some := f.random.Float64() < f.share
	when := time.Unix(f.random.Int63n(8e9)-2e9, f.random.Int63n(1e6)*1000)
	switch at := v.Addr().Interface().(type) {
	case *resource.Quantity:
		*at = *resource.NewMilliQuantity(f.random.Int63n(1e9), resource.BinarySI)
	case *metav1.Time:
		if some {
			*at = metav1.NewTime(when)
		}
	case *metav1.MicroTime:
		if some {
			*at = metav1.NewMicroTime(when)
		}
	case *metav1.Duration:
		units := []int64{1, 1e3, 1e6, 1e9, 60e9, 3600e9}
		at.Duration = time.Duration((f.random.Int63n(20000) - 5000) * units[f.random.Intn(len(units))] / (1 + f.random.Int63n(10)))
	case *metav1.FieldsV1:
		at.Raw = []byte(`{"f:spec":{"f:a<b":{},".":{}}}`)
	case *runtime.RawExtension:
		if some {
			at.Raw = []byte(`{"a":[1,2.5,"<x>"],"z":null}`)
		}
	case *apiextensionsv1.JSON:
		at.Raw = []byte(`{"any":["thing",-1e3]}`)
	case *apiextensionsv1beta1.JSON:
		at.Raw = []byte(`"text"`)
	case *intstr.IntOrString:
		if some {
			*at = intstr.FromString(f.text())
		} else {
			*at = intstr.FromInt32(int32(f.random.Uint32()))
		}
	default:
		return false
	}
	return true
}

// text is what JSON has to escape, and what it has not.
func (f filler) text() string {
	parts := []string{"a", "kube", "Z9", "-", ".", "/", "<", ">", "&", "\"", "\\", "\n", "\t", "\r", "\b", "\f", "\x01", "\x7f", "é", "日本", "🦀", "\u2028", "\u2029", " "}
	out := ""
	for range 1 + f.random.Intn(8) {
		out += parts[f.random.Intn(len(parts))]
	}
	return out
}
