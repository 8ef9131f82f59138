//! Several members whose power went at once: what each folder shows of the writes, and of who belongs together.

use std::path::Path;

use defib_session::inspect::Dead;
use serde_json::Value;
use xtask::lab::member::Member;

use super::wal::{SLOW, failed, served, shown};
use super::{Outcome, defib, text};

fn members(data: &str) -> Result<Value, libtest_mimic::Failed> {
    let done = defib(&["inspect", "members", data, "-o", "json"]);
    Ok(serde_json::from_slice(&done.stdout)?)
}

/// Three members: each shows what was agreed on, and counts what it could not know to be.
pub fn three_killed_members_show_what_was_agreed_on() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut extra = SLOW.to_vec();
    // Snapshots of the consensus now and then, as after ten thousand writes.
    extra.extend([
        "--snapshot-count=10",
        "--experimental-snapshot-catchup-entries=5",
    ]);
    let mut three = Member::cluster(folder.path(), 3, &extra).map_err(failed)?;
    let first = three.first().ok_or("a member")?;
    for n in 0..40 {
        let key = format!("/registry/a/{n:02}");
        first
            .etcdctl(&["put", &key, &format!("value {n}")])
            .map_err(failed)?;
    }
    let before = served(first)?;
    first
        .etcdctl(&["put", "/registry/last", "the last"])
        .map_err(failed)?;
    let after = served(first)?;
    for member in &mut three {
        member.kill();
    }
    let mut ids = Vec::new();
    let (mut applied, mut open) = (0, 0);
    for member in &three {
        let data = text(&member.data());
        let dead = Dead::open(&member.data()).map_err(failed)?;
        let here = shown(&dead)?;
        // The last write was answered; whether a majority has it, a member may learn only with the next one.
        assert!(here == before || here == after, "{data}: {here:?}");
        let notes = dead.notes.join("; ");
        let counts = notes.contains("more entries stand in the log");
        assert_eq!(here == before, counts, "{notes}");
        open += u64::from(counts);
        applied += u64::from(notes.contains("writes of the log beside it were applied"));
        assert_ne!(
            dead.verify().trust,
            defib_session::inspect::Trust::Damaged,
            "{notes}"
        );
        assert!(
            member
                .data()
                .join("member/snap")
                .read_dir()?
                .flatten()
                .any(|e| { e.path().extension().is_some_and(|e| e == "snap") })
        );
        let said = members(&data)?;
        assert_eq!(
            (
                said["majority"].as_u64(),
                said["members"].as_array().map(Vec::len)
            ),
            (Some(2), Some(3))
        );
        ids.push((said["id"].to_string(), said["cluster_id"].to_string()));
    }
    assert!(
        ids.iter()
            .all(|(id, cluster)| id != "null" && ids.first().is_some_and(|f| f.1 == *cluster))
    );
    ids.dedup_by_key(|(id, _)| id.clone());
    assert_eq!(ids.len(), 3, "{ids:?}");
    println!(
        "{applied} of 3 folders had writes in the log only, {open} of 3 one that they could not know to be agreed on"
    );
    // The same folders, started again: what the majority had is there.
    for member in &mut three {
        member.launch_again().map_err(failed)?;
    }
    let first = three.first_mut().ok_or("a member")?;
    first.wait().map_err(failed)?;
    assert_eq!(served(first)?, after);
    Ok(())
}

/// A learner that came and was promoted, and a member that went, all after the database was last written.
pub fn changes_of_members_in_the_log_are_shown() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut first = Member::start(&folder.path().join("first"), SLOW).map_err(failed)?;
    first
        .etcdctl(&["put", "/registry/a", "1"])
        .map_err(failed)?;
    first.etcdctl(&["defrag"]).map_err(failed)?;
    let mut second = first
        .join(&folder.path().join("second"), SLOW)
        .map_err(failed)?;
    let roles = |said: &Value| -> Vec<(String, String)> {
        let all = said["members"].as_array().into_iter().flatten();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let mut all: Vec<_> = all.map(|m| (text(&m["name"]), text(&m["role"]))).collect();
        all.sort();
        all
    };
    // Some changes make etcd write its database; others stand in the log only until it does.
    let mut in_log = 0;
    let mut count = |data: &str| -> Outcome {
        let dead = Dead::open(Path::new(data)).map_err(failed)?;
        let told = dead.notes.join("; ");
        in_log += u64::from(told.contains("changes of members stand in the log"));
        Ok(())
    };
    let pair = |name: &str, role: &str| (name.to_owned(), role.to_owned());
    // As it lies there now: what is only in the log is shown.
    let data = text(&first.data());
    let said = members(&data)?;
    count(&data)?;
    assert_eq!(
        roles(&said),
        [pair("joined", "learner"), pair("lab-1", "voter")],
        "{said}"
    );
    let further = Dead::open(&first.data()).map_err(failed)?.further(1 << 31);
    assert_eq!(further.learners, ["joined"]);
    let living = first
        .etcdctl(&["member", "list", "-w", "json"])
        .map_err(failed)?;
    let living: Value = serde_json::from_str(&living)?;
    let learner = living["members"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|m| m["isLearner"] == true);
    let id = format!(
        "{:x}",
        learner.ok_or("a learner")?["ID"].as_u64().ok_or("an id")?
    );
    xtask::lab::wait_until(
        "the learner has all",
        std::time::Duration::from_secs(30),
        || {
            first
                .etcdctl(&["member", "promote", &id])
                .map_err(|e| e.to_string())
        },
    )
    .map_err(failed)?;
    first
        .etcdctl(&["put", "/registry/b", "2"])
        .map_err(failed)?;
    let said = members(&data)?;
    count(&data)?;
    assert_eq!(
        roles(&said),
        [pair("joined", "voter"), pair("lab-1", "voter")],
        "{said}"
    );
    assert_eq!(said["majority"], 2);
    xtask::lab::wait_until(
        "the member is known to be well",
        std::time::Duration::from_secs(30),
        || {
            first
                .etcdctl(&["member", "remove", &id])
                .map_err(|e| e.to_string())
        },
    )
    .map_err(failed)?;
    first
        .etcdctl(&["put", "/registry/c", "3"])
        .map_err(failed)?;
    let living = served(&first)?;
    first.kill();
    second.kill();
    let said = members(&data)?;
    count(&data)?;
    assert_eq!(
        roles(&said),
        [pair("", "removed"), pair("lab-1", "voter")],
        "{said}"
    );
    let dead = Dead::open(&first.data()).map_err(failed)?;
    let notes = dead.notes.join("; ");
    assert_eq!(shown(&dead)?, living, "{notes}");
    println!("{in_log} of 3 changes stood in the log only");
    assert!(in_log > 0);
    Ok(())
}
