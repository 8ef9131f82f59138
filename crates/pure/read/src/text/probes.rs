//! A probe as `kubectl describe` prints it in one line, into the object that it was.
//!
//! Source: kubectl `pkg/describe/describe.go` (DescribeProbe). Deliberately absent: headers and commands,
//! which no reader asks for.

use serde_json::{Map, Value, json};

/// `http-get http://:8080/healthz delay=0s timeout=1s period=10s #success=1 #failure=3`, and so on.
pub(super) fn probe(text: &str) -> Option<Value> {
    let (action, rest) = text.split_once(' ')?;
    let target = rest.split(' ').next()?;
    let mut out = Map::new();
    match action {
        "http-get" => {
            let (scheme, rest) = target.split_once("://")?;
            let (host, path) = match rest.find('/') {
                Some(at) => rest.split_at(at),
                None => (rest, "/"),
            };
            let port = port(host)?;
            let scheme = scheme.to_ascii_uppercase();
            out.insert(
                "httpGet".into(),
                json!({"scheme": scheme, "path": path, "port": port}),
            );
        }
        "tcp-socket" => {
            out.insert("tcpSocket".into(), json!({"port": port(target)?}));
        }
        "grpc" => {
            out.insert("grpc".into(), json!({"port": port(target)?}));
        }
        "exec" => {
            out.insert("exec".into(), json!({}));
        }
        _ => return None,
    }
    for word in rest.split_ascii_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or_default();
        let field = match name {
            "delay" => "initialDelaySeconds",
            "timeout" => "timeoutSeconds",
            "period" => "periodSeconds",
            "#success" => "successThreshold",
            "#failure" => "failureThreshold",
            _ => continue,
        };
        if let Ok(number) = value.trim_end_matches('s').parse::<i64>() {
            out.insert(field.into(), json!(number));
        }
    }
    // Without its times it is some other text.
    out.contains_key("periodSeconds")
        .then_some(Value::Object(out))
}

/// The port behind a host that is mostly empty: a number, or a name.
fn port(host: &str) -> Option<Value> {
    let port = host.rsplit_once(':')?.1;
    Some(match port.parse::<u16>() {
        Ok(number) => json!(number),
        Err(_) => json!(port),
    })
}

/// Ports as a container declares them: `8080/TCP, 9090/TCP`, also with names (`8080/TCP (http)`).
pub(super) fn ports(text: &str) -> Vec<Value> {
    text.split(", ")
        .filter_map(|p| {
            let (number, rest) = p.split_once('/')?;
            let number: u16 = number.trim().parse().ok()?;
            let mut words = rest.split(' ');
            let mut out = json!({"containerPort": number, "protocol": words.next()?});
            if let Some(name) = words.next() {
                out["name"] = json!(name.trim_matches(['(', ')']));
            }
            Some(out)
        })
        .collect()
}

/// `Tue, 10 Mar 2026 11:00:00 +0100`, as the API writes times.
pub(super) fn time(text: &str) -> Option<String> {
    let time = jiff::Zoned::strptime("%a, %d %b %Y %H:%M:%S %z", text)
        .ok()?
        .timestamp();
    Some(time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_read() {
        assert_eq!(
            probe(
                "http-get http://:8080/ready?full=1 delay=20s timeout=2s period=5s #success=1 #failure=4"
            ),
            Some(json!({
                "httpGet": {"scheme": "HTTP", "path": "/ready?full=1", "port": 8080},
                "initialDelaySeconds": 20, "timeoutSeconds": 2, "periodSeconds": 5,
                "successThreshold": 1, "failureThreshold": 4,
            }))
        );
        let port = |text: &str, at: &str| probe(text)?.pointer(at).cloned();
        let rest = "delay=0s timeout=1s period=10s #success=1 #failure=3";
        assert_eq!(
            port(&format!("tcp-socket :db {rest}"), "/tcpSocket/port"),
            Some(json!("db"))
        );
        assert_eq!(
            port(&format!("grpc <pod>:9090 health {rest}"), "/grpc/port"),
            Some(json!(9090))
        );
        assert!(probe(&format!("exec [cat /tmp/up] {rest}")).is_some());
        assert_eq!(probe("http-get is what it does"), None);
        assert_eq!(ports("8080/TCP (http), 53/UDP").len(), 2);
        assert_eq!(
            time("Tue, 10 Mar 2026 11:00:00 +0100").as_deref(),
            Some("2026-03-10T10:00:00Z")
        );
    }
}
