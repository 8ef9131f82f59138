//! The kubeconfig of one run: address, certificate and token, readable by its owner alone.
//!
//! Deliberately absent: kubeconfigs of others; a file that exists is never written over.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::ServeError;

/// What cluster, user and context are called.
const NAME: &str = "defib-inspect";

/// The text, which is JSON and so YAML, too.
pub(super) fn text(address: SocketAddr, certificate: &str, token: &str) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": NAME,
        "clusters": [{"name": NAME, "cluster": {
            "server": format!("https://{address}"),
            "certificate-authority-data": STANDARD.encode(certificate),
        }}],
        "users": [{"name": NAME, "user": {"token": token}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
    });
    format!("{config:#}\n")
}

/// The file, which goes when this does: without the listener it leads nowhere.
pub(super) struct Kept {
    pub(super) path: PathBuf,
    /// The folder made for it, where no file was named.
    _folder: Option<tempfile::TempDir>,
}

impl Kept {
    pub(super) fn write(path: Option<&Path>, text: &str) -> Result<Self, ServeError> {
        let (path, folder) = match path {
            Some(path) => (path.to_owned(), None),
            None => {
                let folder = tempfile::Builder::new()
                    .prefix("defib-inspect-")
                    .tempdir()
                    .map_err(|why| ServeError::Kubeconfig {
                        path: std::env::temp_dir(),
                        why,
                    })?;
                (folder.path().join("kubeconfig"), Some(folder))
            }
        };
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let mut file = match opened {
            Ok(file) => file,
            Err(why) => return Err(ServeError::Kubeconfig { path, why }),
        };
        // From here on the file is ours, and goes even if it can't be written to its end.
        let kept = Self {
            path,
            _folder: folder,
        };
        match file.write_all(text.as_bytes()) {
            Ok(()) => Ok(kept),
            Err(why) => Err(ServeError::Kubeconfig {
                path: kept.path.clone(),
                why,
            }),
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // Somebody may have removed it, and there is nobody to tell.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_is_private_and_writes_over_nothing() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let kept = Kept::write(Some(&path), "a").unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(Kept::write(Some(&path), "b").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "a");
        drop(kept);
        assert!(!path.exists());
        let own = Kept::write(None, "c").unwrap();
        let own_path = own.path.clone();
        drop(own);
        assert!(!own_path.parent().unwrap().exists());
    }
}
