//! `defib diagnose` on files that a real etcd wrote.

use super::{Outcome, defib, files, text};

fn report(arguments: &[&str], code: i32) -> Result<serde_json::Value, libtest_mimic::Failed> {
    let done = defib(arguments);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    if done.status.code() != Some(code) {
        let out = String::from_utf8_lossy(&done.stdout);
        return Err(format!("{:?} instead of {code}: {said}{out}", done.status).into());
    }
    Ok(serde_json::from_slice(&done.stdout)?)
}

/// Objects are read, nothing is called healthy, secrets stay where they are; the bundle says the same.
pub fn a_dead_datastore_is_evidence() -> Outcome {
    let files = files();
    let file = text(&files.snapshot());
    let said = report(&["diagnose", &file, "-o", "json"], 3)?;
    assert_eq!(said["verdict"], "unknown", "{said}");
    let seen = |scope: &str| {
        let list = said["coverage"].as_array().cloned().unwrap_or_default();
        let found = list.into_iter().find(|c| c["scope"] == scope);
        found.map(|c| c["seen"].clone()).unwrap_or_default()
    };
    assert_eq!(
        (seen("datastore"), seen("control-plane")),
        ("all".into(), "none".into()),
        "{said}"
    );
    let folder = tempfile::tempdir()?;
    let bundle = folder.path().join("b.tar.zst");
    let taken = defib(&["collect", &file, "--out", &text(&bundle)]);
    assert!(taken.status.success(), "{taken:?}");
    let again = report(&["diagnose", &text(&bundle), "-o", "json"], 3)?;
    assert_eq!(said["bundle"], again["bundle"]);
    assert_eq!(said["coverage"], again["coverage"]);
    let packed = std::fs::read(&bundle)?;
    let plain = zstd::stream::decode_all(packed.as_slice())?;
    let holds = |what: &[u8]| plain.windows(what.len()).any(|w| w == what);
    assert!(holds(b"secret-000007"), "the Secret's name is there");
    assert!(!holds(b"bm90LWEtc2VjcmV0LTc="), "its value is not");
    Ok(())
}

/// A damaged snapshot is no damaged member, and a file of no bytes where a member keeps its own is one.
pub fn damage_is_a_cause_with_its_place() -> Outcome {
    let files = files();
    let folder = tempfile::tempdir()?;
    let mut bytes = std::fs::read(files.snapshot())?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let bad = folder.path().join("etcd-snapshot-n1-1");
    std::fs::write(&bad, &bytes)?;
    let said = report(&["diagnose", &text(&bad), "-o", "json"], 2)?;
    let class = |said: &serde_json::Value| said["root_causes"][0]["class"].clone();
    assert_eq!(class(&said), "snapshot-incomplete", "{said}");
    // Beside a whole one it hurts nobody yet.
    std::fs::copy(files.snapshot(), folder.path().join("etcd-snapshot-n1-2"))?;
    let said = report(&["diagnose", &text(folder.path()), "-o", "json"], 3)?;
    assert_eq!(
        said["candidates"][0]["class"], "snapshot-incomplete",
        "{said}"
    );

    let data = tempfile::tempdir()?;
    let snap = data.path().join("etcd/member/snap");
    std::fs::create_dir_all(&snap)?;
    std::fs::write(snap.join("db"), b"")?;
    let said = report(&["diagnose", &text(data.path()), "-o", "json"], 2)?;
    assert_eq!(class(&said), "etcd-data-corrupt", "{said}");
    Ok(())
}
