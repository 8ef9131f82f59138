//! Times of the readers and the redactor over a list of pods, and of the decoder over a pod as the lab's etcd
//! holds it (`stored/pod.pb`, made by `cargo xtask lab populate`): `cargo bench --package defib-formats`.
//!
//! Deliberately absent: whole processes and memory (`cargo xtask bench`).

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use defib_formats::{json, kubernetes, redact, sniff, yaml};

fn pods(count: usize) -> (String, String) {
    let mut json = String::from("{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":[\n");
    let mut yaml = String::from("kind: PodList\napiVersion: v1\nitems:\n");
    for i in 0..count {
        let comma = if i == 0 { "" } else { ",\n" };
        let _ = write!(
            json,
            "{comma}{{\"metadata\":{{\"name\":\"web-{i}\",\"namespace\":\"shop\",\"labels\":{{\"app\":\"web\"}}}},\"spec\":{{\"nodeName\":\"n1\",\"containers\":[{{\"name\":\"app\",\"image\":\"registry.example/web:1\",\"env\":[{{\"name\":\"DB_PASSWORD\",\"value\":\"canary-{i}\"}}]}}]}},\"status\":{{\"phase\":\"Running\",\"message\":\"back-off 5m0s restarting failed container\"}}}}"
        );
        let _ = write!(
            yaml,
            "- metadata:\n    name: web-{i}\n    namespace: shop\n    labels:\n      app: web\n  spec:\n    nodeName: n1\n    containers:\n    - name: app\n      image: registry.example/web:1\n      env:\n      - name: DB_PASSWORD\n        value: canary-{i}\n  status:\n    phase: Running\n    message: back-off 5m0s restarting failed container\n"
        );
    }
    json.push_str("]}\n");
    (json, yaml)
}

fn readers(c: &mut Criterion) {
    let (json, yaml) = pods(2_000);
    let items = json.find('[').unwrap_or_default();
    let mut group = c.benchmark_group("formats");
    group.throughput(Throughput::Bytes(json.len() as u64));
    group.bench_function("json elements", |b| {
        b.iter(|| json::elements(black_box(json.as_bytes()), items).count());
    });
    group.bench_function("redact json", |b| {
        b.iter(|| redact::redact(black_box(json.as_bytes())).taken);
    });
    group.bench_function("sniff", |b| {
        b.iter(|| sniff::looks(black_box(json.as_bytes())));
    });
    group.throughput(Throughput::Bytes(yaml.len() as u64));
    group.bench_function("yaml documents", |b| {
        b.iter(|| {
            let mut count = 0;
            yaml::documents(black_box(&yaml), |_| {
                count += 1;
                true
            });
            count
        });
    });
    group.bench_function("redact yaml", |b| {
        b.iter(|| redact::redact(black_box(yaml.as_bytes())).taken);
    });
    group.finish();
}

fn stored(c: &mut Criterion) {
    let value = include_bytes!("stored/pod.pb");
    let mut group = c.benchmark_group("stored");
    group.throughput(Throughput::Bytes(value.len() as u64));
    let mut out = Vec::new();
    group.bench_function("decode", |b| {
        b.iter(|| {
            out.clear();
            kubernetes::decode(black_box(value), &mut out).is_ok()
        });
    });
    group.bench_function("walk", |b| {
        b.iter(|| kubernetes::walk(black_box(value)).is_ok());
    });
    group.bench_function("head", |b| {
        b.iter(|| kubernetes::head(black_box(value)).is_ok());
    });
    group.finish();
}

criterion_group!(benches, readers, stored);
criterion_main!(benches);
