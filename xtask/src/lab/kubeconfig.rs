//! Kubeconfigs with everything inside, written as JSON (which is YAML) and read back again.
//! Deliberately absent: kubeconfigs of others; reading back refuses whatever the lab did not write.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::LabError;
use super::client::ApiClient;
use super::error::file;
use super::pki::Pair;

/// The name of cluster and context; reading back insists on it.
const CONTEXT: &str = "defib-lab";

/// Writes the kubeconfig of one user.
pub(crate) fn write(
    path: &Path,
    server: &str,
    authority: &str,
    user: &str,
    pair: &Pair,
) -> Result<(), LabError> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [{"name": CONTEXT, "cluster": {
            "server": server,
            "certificate-authority-data": STANDARD.encode(authority),
        }}],
        "users": [{"name": user, "user": {
            "client-certificate-data": STANDARD.encode(&pair.certificate),
            "client-key-data": STANDARD.encode(&pair.key),
        }}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": user}}],
    });
    super::files::write_private(path, format!("{config:#}\n").as_bytes())
}

/// A client for a kubeconfig that the lab wrote; anything else is refused, so that no chore of the
/// lab ever fills somebody's real cluster.
pub(crate) fn client(path: &Path) -> Result<ApiClient, LabError> {
    let refuse = |why| LabError::NotOurs {
        path: path.to_owned(),
        why,
    };
    let text = fs::read(path).map_err(file("read", path))?;
    let config: Value = serde_json::from_slice(&text).map_err(|_| refuse("it is not JSON"))?;
    if config.get("current-context").and_then(Value::as_str) != Some(CONTEXT) {
        return Err(refuse("its context is not defib-lab"));
    }
    let text_at = |pointer| config.pointer(pointer).and_then(Value::as_str);
    let server =
        text_at("/clusters/0/cluster/server").ok_or_else(|| refuse("it names no server"))?;
    if !server.starts_with("https://127.0.0.1:") {
        return Err(refuse("its server is not on loopback"));
    }
    let decoded = |pointer| {
        text_at(pointer)
            .and_then(|text| STANDARD.decode(text).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| refuse("a certificate is missing"))
    };
    let pair = Pair {
        certificate: decoded("/users/0/user/client-certificate-data")?,
        key: decoded("/users/0/user/client-key-data")?,
    };
    Ok(ApiClient::new(
        server,
        &decoded("/clusters/0/cluster/certificate-authority-data")?,
        Some(&pair),
    ))
}
