// fill writes a large cluster into an etcd, as an API server would have written it: pods, ConfigMaps,
// Secrets and events in Kubernetes' own protobuf, each written twice, a tenth of the events deleted.
//
// It exists to make files to measure with. Deliberately absent: an API server; hundreds of thousands of
// objects through one take an hour.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
)

var began = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

func meta(kind string, n int) metav1.ObjectMeta {
	at := metav1.NewTime(began.Add(time.Duration(n) * time.Second))
	return metav1.ObjectMeta{
		Name:              fmt.Sprintf("%s-%06d-%05x", kind, n, (n*7919)%0xfffff),
		Namespace:         fmt.Sprintf("team-%02d", n%40),
		UID:               types.UID(fmt.Sprintf("%08x-1111-4222-8333-%012x", n, n*104729)),
		CreationTimestamp: at,
		Labels: map[string]string{
			"app.kubernetes.io/name":     fmt.Sprintf("app-%03d", n%300),
			"app.kubernetes.io/instance": fmt.Sprintf("app-%03d-%d", n%300, n%7),
			"pod-template-hash":          fmt.Sprintf("%010x", n*31),
		},
		ManagedFields: []metav1.ManagedFieldsEntry{{
			Manager: "kube-controller-manager", Operation: metav1.ManagedFieldsOperationUpdate,
			APIVersion: "v1", Time: &at, FieldsType: "FieldsV1",
			FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:metadata":{"f:labels":{".":{},"f:app.kubernetes.io/name":{},"f:pod-template-hash":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:image":{},"f:name":{}}}}}`)},
		}},
	}
}

// annotated is what templates and injectors leave behind.
func annotated(m metav1.ObjectMeta) metav1.ObjectMeta {
	m.Annotations = map[string]string{
		"checksum/config":           strings.Repeat("9c", 32),
		"example.net/rendered-from": strings.Repeat("charts/app/templates/deployment.yaml;", 12),
	}
	return m
}

func pod(n int) runtime.Object {
	yes := true
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: annotated(meta("pod", n)),
		Spec: corev1.PodSpec{
			// What a rendered template leaves behind.
			Hostname: fmt.Sprintf("pod-%06d", n),
			NodeName: fmt.Sprintf("node-%03d", n%100), RestartPolicy: corev1.RestartPolicyAlways,
			DNSPolicy: corev1.DNSClusterFirst, ServiceAccountName: "default",
			Volumes: []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: fmt.Sprintf("config-%06d", n/3)}}}}},
			Containers: []corev1.Container{{
				Name: "main", Image: fmt.Sprintf("registry.example.net/team/app-%03d:1.%d.0", n%300, n%50),
				Env: []corev1.EnvVar{{Name: "LOG_LEVEL", Value: "info"}, {Name: "SHARD", Value: fmt.Sprint(n % 16)}},
				Resources: corev1.ResourceRequirements{
					Requests: corev1.ResourceList{"cpu": resource.MustParse("100m"), "memory": resource.MustParse("128Mi")},
					Limits:   corev1.ResourceList{"memory": resource.MustParse("256Mi")},
				},
				VolumeMounts:    []corev1.VolumeMount{{Name: "config", MountPath: "/etc/app"}},
				SecurityContext: &corev1.SecurityContext{RunAsNonRoot: &yes},
			}},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: fmt.Sprintf("10.%d.%d.%d", 42+n>>16, n>>8&255, n&255),
			Conditions: []corev1.PodCondition{
				{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(began)},
				{Type: corev1.ContainersReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(began)},
			},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "main", Ready: true, RestartCount: int32(n % 3),
				Image: "registry.example.net/team/app", ImageID: "sha256:" + strings.Repeat("0f", 32), ContainerID: fmt.Sprintf("containerd://%064x", n)}},
		},
	}
}

func config(n int) runtime.Object {
	return &corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: meta("config", n),
		Data: map[string]string{"app.yaml": strings.Repeat(fmt.Sprintf("key%d: value\n", n%9), 24)},
	}
}

func secret(n int) runtime.Object {
	return &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: meta("secret", n),
		Type: corev1.SecretTypeOpaque, Data: map[string][]byte{"password": []byte(fmt.Sprintf("not-a-secret-%d", n))},
	}
}

func event(n int) runtime.Object {
	at := metav1.NewTime(began.Add(time.Duration(n) * time.Second))
	return &corev1.Event{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Event"}, ObjectMeta: meta("event", n),
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: fmt.Sprintf("team-%02d", n%40), Name: fmt.Sprintf("pod-%06d", n)},
		Reason:         "Pulled", Message: "Container image already present on machine", Type: "Normal", Count: 1,
		FirstTimestamp: at, LastTimestamp: at, Source: corev1.EventSource{Component: "kubelet", Host: fmt.Sprintf("node-%03d", n%100)},
	}
}

func key(resource string, object runtime.Object) string {
	m := object.(metav1.Object)
	return fmt.Sprintf("/registry/%s/%s/%s", resource, m.GetNamespace(), m.GetName())
}

func main() {
	endpoint := flag.String("endpoint", "", "URL of the etcd to fill")
	pods := flag.Int("pods", 100000, "pods; a third as many of each other kind")
	flag.Parse()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{*endpoint}, DialTimeout: 10 * time.Second})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer client.Close()
	serializer := protobuf.NewSerializer(nil, nil)
	kinds := []struct {
		resource string
		count    int
		make     func(int) runtime.Object
	}{
		{"pods", *pods, pod}, {"configmaps", *pods/3 + 1, config}, {"secrets", *pods/3 + 1, secret}, {"events", *pods/3 + 1, event},
	}
	failed := false
	var lock sync.Mutex
	fail := func(err error) {
		lock.Lock()
		defer lock.Unlock()
		if !failed {
			fmt.Fprintln(os.Stderr, err)
		}
		failed = true
	}
	for round := 0; round < 2; round++ {
		for _, kind := range kinds {
			var wait sync.WaitGroup
			for worker := 0; worker < 64; worker++ {
				wait.Add(1)
				go func() {
					defer wait.Done()
					var buffer bytes.Buffer
					for n := worker; n < kind.count; n += 64 {
						object := kind.make(n)
						buffer.Reset()
						if err := serializer.Encode(object, &buffer); err != nil {
							fail(err)
							return
						}
						if _, err := client.Put(context.Background(), key(kind.resource, object), buffer.String()); err != nil {
							fail(err)
							return
						}
					}
				}()
			}
			wait.Wait()
		}
	}
	for n := 0; n < *pods/3+1; n += 10 {
		if _, err := client.Delete(context.Background(), key("events", event(n))); err != nil {
			fail(err)
			break
		}
	}
	if failed {
		os.Exit(1)
	}
}
