//! Labs with which nothing is wrong, at the moments in which they look least like it.
//! Deliberately absent: what is wrong with others (`judged`).

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use libtest_mimic::Failed;
use xtask::lab::fault::{record, settled};
use xtask::lab::node::Lab;

use crate::choice::Kind;
use crate::judged::{Found, looks_collected, secrets};
use crate::keep;
use crate::named::causes;

/// Hands the leader's place to another member.
const MOVE_LEADER: &str = "status=$(etcdctl endpoint status --cluster -w json)\nfrom=$(echo \"$status\" | jq -r '[.[] | select(.Status.leader == .Status.header.member_id)][0].Endpoint')\nto=$(etcdctl member list | awk -F', ' -v from=\"$from\" '$5 != from && $6 == \"false\" { print $1; exit }')\nETCDCTL_ENDPOINTS=$from etcdctl move-leader \"$to\"";

/// Nothing is named: as it came up, right after restarts of k3s and of a host, and while the leader changes.
pub fn is_well(kind: Kind, lab: &Lab) -> Result<Found, String> {
    let found = Found {
        name: kind.well(),
        ..Found::default()
    };
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let at = |moment: &str, record: &mut dyn FnMut(&Path) -> Result<(), Failed>| {
        let out = folder.path().join(moment);
        let said = record(&out).and_then(|()| causes(&out));
        let said = said.map_err(|e| {
            format!(
                "{} servers {moment}: {}",
                kind.servers,
                e.message().unwrap_or_default()
            )
        })?;
        eprintln!("{}, {moment}: {said:?}", kind.well());
        if !said.is_empty() {
            keep(&format!("{}-{moment}", kind.well()), &out);
            return Err(format!(
                "{} servers {moment} are well, and this is named: {said:?}",
                kind.servers
            ));
        }
        Ok(())
    };
    at("started", &mut |out| {
        record(lab, out)?;
        looks_collected(lab, out, &secrets(lab)?)
    })?;
    at("restarted", &mut |out| {
        for machine in lab.machines() {
            machine.script(&format!("timeout 120 systemctl restart {}", machine.unit()))?;
        }
        Ok(record(lab, out)?)
    })?;
    at("switched-on", &mut |out| {
        let servers = lab.servers();
        let last = servers.last().ok_or("no servers")?;
        last.stop()?;
        last.start()?;
        settled(lab)?;
        if kind.agents > 0 {
            lab.await_pods()?;
        }
        Ok(record(lab, out)?)
    })?;
    if kind.servers > 1 {
        at("leader-changes", &mut |out| while_leaders_change(lab, out))?;
    }
    Ok(found)
}

fn while_leaders_change(lab: &Lab, out: &Path) -> Result<(), Failed> {
    let first = lab.machine("n1")?;
    first.script(MOVE_LEADER)?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // One that is refused because the last one is not over yet is what is wanted too.
                let _ = first.script(MOVE_LEADER);
                thread::sleep(Duration::from_secs(1));
            }
        });
        let recorded = record(lab, out);
        done.store(true, Ordering::Relaxed);
        recorded
    })?;
    Ok(())
}
