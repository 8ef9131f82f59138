//! What the verbs answer, against what etcd's own tools say.

use std::io::Write;

use libtest_mimic::Failed;
use serde_json::Value;
use xtask::lab::member::Member;

use super::{Outcome, defib, files, text};

fn json(arguments: &[&str]) -> Value {
    let done = defib(arguments);
    serde_json::from_slice(&done.stdout).unwrap_or_else(|e| {
        panic!(
            "{arguments:?}: {e}: {}",
            String::from_utf8_lossy(&done.stderr)
        )
    })
}

/// Hash, revision, keys and members, as etcdutl prints them of the same file.
pub fn a_snapshot_is_what_etcdutl_says() -> Outcome {
    let files = files();
    let file = text(&files.snapshot());
    let said = json(&["inspect", "verify", &file, "-o", "json"]);
    assert_eq!(said["trust"], "verified", "{said}");
    assert_eq!(
        said["revision"], files.status["revision"],
        "{}",
        files.status
    );
    let list = json(&["inspect", "ls", &file, "-o", "json"]);
    let keys = list.as_array().ok_or("a list")?;
    assert_eq!(
        keys.len() as u64,
        files.status["totalKey"].as_u64().unwrap_or(0)
    );
    let pods = keys.iter().filter(|k| k["kind"] == "Pod").count();
    assert_eq!(pods, 60);
    let own = keys
        .iter()
        .find(|k| k["key"] == "plain")
        .ok_or("a key that is none of Kubernetes'")?;
    assert_eq!(
        (own["kind"].as_str(), own["bytes"].as_u64()),
        (Some("plain"), Some(4))
    );
    let members = json(&["inspect", "members", &file, "-o", "json"]);
    assert_eq!(members["members"][0]["name"], "lab-1");
    assert_eq!(members["majority"], 1);
    Ok(())
}

/// A member's own file, its folder, k3s' folders above it, a .zip and a .gz.
pub fn packed_or_in_folders_it_is_the_same() -> Outcome {
    let files = files();
    let bare = json(&["inspect", "verify", &text(&files.data()), "-o", "json"]);
    assert_eq!(bare["trust"], "readable", "{bare}");
    let k3s = tempfile::tempdir()?;
    let db = k3s.path().join("server/db");
    std::fs::create_dir_all(&db)?;
    // A link that nobody named is not followed.
    let etcd = db.join("etcd");
    std::os::unix::fs::symlink(files.data(), &etcd)?;
    let refused = defib(&["inspect", "verify", &text(k3s.path())]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(1) && said.contains("is a link"),
        "{said}"
    );
    std::fs::remove_file(&etcd)?;
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(files.data())
        .arg(&etcd)
        .status()?;
    assert!(copied.success());
    let below = json(&["inspect", "verify", &text(k3s.path()), "-o", "json"]);
    assert_eq!(below, bare);

    let bytes = std::fs::read(files.snapshot())?;
    let gz = k3s.path().join("snapshot.gz");
    let mut pack =
        flate2::write::GzEncoder::new(std::fs::File::create(&gz)?, flate2::Compression::fast());
    pack.write_all(&bytes)?;
    pack.finish()?;
    let plain = json(&["inspect", "verify", &text(&files.snapshot()), "-o", "json"]);
    assert_eq!(
        json(&["inspect", "verify", &text(&gz), "-o", "json"]),
        plain
    );
    Ok(())
}

pub fn secrets_stay_hidden_unless_asked_for() -> Outcome {
    let file = text(&files().snapshot());
    // What the filling program writes into every Secret, and what Kubernetes' JSON makes of it.
    let (plain, coded) = ("not-a-secret-7", "bm90LWEtc2VjcmV0LTc=");
    let list = json(&["inspect", "ls", &file, "--kind", "secrets", "-o", "json"]);
    let keys: Vec<&str> = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|k| k["key"].as_str())
        .collect();
    let key = keys
        .iter()
        .find(|k| k.contains("secret-000007"))
        .ok_or("the seventh")?;
    for form in ["yaml", "json"] {
        let hidden = defib(&["inspect", "get", &file, key, "-o", form]);
        let said = String::from_utf8_lossy(&hidden.stdout).into_owned();
        assert!(said.contains("password"), "{said}");
        assert!(!said.contains(plain) && !said.contains(coded), "{said}");
        let shown = defib(&["inspect", "get", &file, key, "-o", form, "--show-secrets"]);
        assert!(String::from_utf8_lossy(&shown.stdout).contains(coded));
    }
    let history = defib(&["inspect", "history", &file, key, "-o", "json"]);
    let said = String::from_utf8_lossy(&history.stdout).into_owned();
    assert!(said.contains("created") && !said.contains(coded), "{said}");
    Ok(())
}

pub fn what_was_deleted_is_in_the_history() -> Outcome {
    let file = text(&files().snapshot());
    let key = "event/event-000010-13556";
    let gone = defib(&["inspect", "get", &file, key]);
    let said = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert_eq!(gone.status.code(), Some(1), "{said}");
    assert!(said.contains("was deleted"), "{said}");
    let history = json(&["inspect", "history", &file, key, "-o", "json"]);
    let steps = history["steps"].as_array().ok_or("steps")?;
    let whats: Vec<&str> = steps.iter().filter_map(|s| s["what"].as_str()).collect();
    assert_eq!(whats, ["created", "updated", "deleted"], "{history}");
    let revision = steps
        .get(1)
        .and_then(|s| s["revision"].as_u64())
        .ok_or("a revision")?
        .to_string();
    let back = json(&[
        "inspect",
        "get",
        &file,
        key,
        "--revision",
        &revision,
        "-o",
        "json",
    ]);
    assert_eq!(
        back["metadata"]["resourceVersion"].as_str(),
        Some(revision.as_str())
    );
    assert_eq!(back["kind"], "Event");
    Ok(())
}

/// A member that was killed right after it answered: what it answered is there, and nothing else.
pub fn a_killed_member_shows_what_it_answered() -> Outcome {
    let folder = tempfile::tempdir()?;
    // Without a commit of the database in between: only the log has what follows.
    let slow = [
        "--backend-batch-interval=1h",
        "--backend-batch-limit=1000000",
    ];
    let mut member =
        Member::start(folder.path(), &slow).map_err(|e| Failed::from(e.to_string()))?;
    let etcdctl = |member: &Member, arguments: &[&str]| {
        member
            .etcdctl(arguments)
            .map_err(|e| Failed::from(e.to_string()))
    };
    // Writes the database anew, with all it knows of itself so far.
    etcdctl(&member, &["defrag"])?;
    for n in 0..40 {
        etcdctl(
            &member,
            &["put", &format!("/registry/a/{n:02}"), &format!("value {n}")],
        )?;
    }
    etcdctl(&member, &["put", "/registry/a/07", "again"])?;
    etcdctl(&member, &["del", "/registry/a/1", "/registry/a/2"])?;
    let living = etcdctl(&member, &["get", "--prefix", "/registry/", "-w", "json"])?;
    member.kill();
    let data = text(&member.data());
    let list = defib(&["inspect", "ls", &data, "-o", "json"]);
    let told = String::from_utf8_lossy(&list.stderr).into_owned();
    assert!(
        told.contains("42 writes of the log beside it were applied"),
        "{told}"
    );
    let said: Value = serde_json::from_slice(&list.stdout)?;
    let living: Value = serde_json::from_str(&living)?;
    let revision = |v: &Value| v.as_u64().unwrap_or(0);
    let want: Vec<(u64, u64)> = living["kvs"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|kv| (revision(&kv["mod_revision"]), revision(&kv["version"])))
        .collect();
    let got: Vec<(u64, u64)> = said
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| (revision(&item["revision"]), revision(&item["writes"])))
        .collect();
    assert_eq!((got.len(), &got), (30, &want));
    let seventh = defib(&["inspect", "get", &data, "/registry/a/07"]);
    assert!(String::from_utf8_lossy(&seventh.stdout).contains("again"));
    Ok(())
}

/// Between two snapshots: what came is named, what was only written again is not.
pub fn two_snapshots_differ_in_what_came() -> Outcome {
    let (old, new) = (text(&files().snapshot()), text(&files().large()));
    let said = json(&[
        "inspect", "diff", &old, &new, "--kind", "pods", "-o", "json",
    ]);
    let all = said.as_array().ok_or("a list")?;
    assert!(all.iter().all(|d| d["how"] == "added"), "{:?}", all.first());
    assert_eq!(all.len(), 4_000 - 60);
    let same = json(&["inspect", "diff", &old, &old, "-o", "json"]);
    assert_eq!(same, serde_json::json!([]));
    Ok(())
}

/// While etcd runs on it, the file is read and that is said; nothing of it changes.
pub fn a_living_database_is_called_one() -> Outcome {
    let folder = tempfile::tempdir()?;
    let member = Member::start(folder.path(), &[]).map_err(|e| Failed::from(e.to_string()))?;
    let done = defib(&["inspect", "ls", &text(&member.data())]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains("held open by process"), "{said}");
    member
        .etcdctl(&["put", "a", "b"])
        .map_err(|e| Failed::from(e.to_string()))?;
    Ok(())
}

/// Which etcd opens it, how old it is, whose bootstrap record it holds, how full it is.
pub fn what_is_asked_beside_the_verdict() -> Outcome {
    let folder = tempfile::tempdir()?;
    let failed = |e: xtask::lab::LabError| Failed::from(e.to_string());
    let member = Member::start(folder.path(), &[]).map_err(failed)?;
    let put = |key: &str, value: &str| member.etcdctl(&["put", key, value]).map_err(failed);
    let file = folder.path().join("a.db");
    put("/bootstrap/0123456789ab", "sealed")?;
    put("/bootstrap/ffffffffffff", "sealed")?;
    member
        .etcdctl(&["del", "/bootstrap/ffffffffffff"])
        .map_err(failed)?;
    let lease = r#"{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"n","namespace":"kube-node-lease","creationTimestamp":"2031-01-02T03:04:05Z"},"spec":{"renewTime":"2031-05-06T07:08:09.000001Z"}}"#;
    put("/registry/leases/kube-node-lease/n", lease)?;
    member.snapshot(&file).map_err(failed)?;
    let file = text(&file);
    let said = json(&["inspect", "verify", &file, "-o", "json"]);
    assert_eq!(said["trust"], "verified");
    assert_eq!(said["opened_by"], "etcd 3.6 or 3.7", "{said}");
    assert_eq!(said["newest_write"], "2031-05-06T07:08:09.000001Z");
    assert_eq!(said["bootstrap"], serde_json::json!(["0123456789ab"]));
    assert_eq!(said["quota"]["of"], 2u64 << 30);
    assert_eq!(said["quota"]["is_full"], false);
    let decoded = json(&["inspect", "verify", &file, "--decode", "-o", "json"]);
    assert_eq!(decoded, said);
    let told = defib(&["inspect", "verify", &file, "--quota", "4KiB"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    for words in [
        "opened by  etcd 3.6 or 3.7",
        "not before 2031-05-06",
        "0123456789ab",
        "FULL",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let wrong = defib(&["inspect", "verify", &file, "--quota", "much"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("like 8GiB"));
    // Nothing names a time in a file of plain keys.
    let none = json(&[
        "inspect",
        "verify",
        &text(&files().snapshot()),
        "-o",
        "json",
    ]);
    assert_eq!(none["bootstrap"], serde_json::json!([]));
    Ok(())
}
