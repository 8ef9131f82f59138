//! # WRK006 The container's command is not in its image
//!
//! class: command-not-found
//!
//! ## What it sees
//! The runtime's refusal to start a container: `exec: "x": executable file not found in $PATH`, or
//! `stat x: no such file or directory`; in the container's state, an event, or a line of the kubelet. The same words
//! about a program that somebody runs in a container (`kubectl exec`), or that a probe or a hook runs, are not meant:
//! that container runs.
//!
//! ## Why it matters
//! Nothing of the program ran, so there is no log; the message stands in the container's last state.
//!
//! ## What to do
//! Compare `command` and `args` with what the image has. `command` replaces the image's ENTRYPOINT,
//! `args` replaces CMD; a shell line needs `[sh, -c, …]`, and distroless images have no shell.
//!
//! ## What not to do
//! Do not look for a log: there is none.

use crate::analysis::called::called;
use crate::analysis::kubelet_words::{loose, said};
use crate::rules::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "WRK006",
    class: "command-not-found",
    needs: &["Pod"],
    leads_to: &[K::ContainerStartError, K::ContainerCrashLoop],
    check,
};

/// Words of a program that is started in a container that runs. Source: runc `exec.go`; containerd
/// `internal/cri/server/container_execsync.go`; Kubernetes `pkg/kubelet/server/server.go`.
const RUNS: &[&str] = &[
    "exec failed",
    "failed to exec in container",
    "failed to start exec",
    "error executing command in container",
];

/// The program that was not found. Source: Go `os/exec` (ErrNotFound), as runc
/// `libcontainer/{init_linux,standard_init_linux}.go` passes it on. Hooks of the runtime fail alike,
/// but are no part of the container.
fn program(message: &str) -> Option<&str> {
    if message.contains("hook") || RUNS.iter().any(|w| message.contains(w)) {
        return None;
    }
    let rest = message.rsplit_once("exec: \"").map(|r| r.1)?;
    let (program, rest) = rest.split_once('"')?;
    let missing =
        rest.contains("executable file not found") || rest.contains("no such file or directory");
    missing.then_some(program)
}

fn check(cx: &Context<'_>, out: &mut Vec<Finding>) {
    for kind in [K::ContainerStartError, K::ContainerCrashLoop] {
        for c in cx.all(kind) {
            for s in said(
                cx,
                &c.entity,
                &["Failed"],
                "the runtime did not find the program",
            ) {
                let Some(program) = program(&s.text) else {
                    continue;
                };
                let owner = cx.top_owner(&c.entity);
                let ns = c.entity.namespace().unwrap_or_default();
                let mut finding = RULE
                    .on(owner.clone())
                    .key(program)
                    .title(format!(
                        "{} starts {program}, which its image does not have",
                        called(&owner)
                    ))
                    .why("The container never ran: there is no log to read.")
                    .term(93, "the runtime names the program that it did not find")
                    .cite(s.evidence)
                    .explains(kind, &c.entity)
                    .safe("See what the image starts by itself.", "crane config IMAGE")
                    .check_first(
                        "Correct command or args in the template.",
                        command!("kubectl edit {} {} -n {}", owner.kind(), owner.name(), ns),
                    )
                    .dont("Don't look for the reason in the program: it never ran.");
                if let Some(pod) = cx.cluster.pod(&c.entity)
                    && let Some((path, spec)) = pod
                        .spec
                        .all_containers()
                        .find(|(_, k)| k.name == s.container)
                {
                    let field = if spec.command.first().is_some_and(|w| w == program) {
                        "command"
                    } else if spec.args.first().is_some_and(|w| w == program) {
                        "args"
                    } else {
                        "image"
                    };
                    finding = finding.cite(cx.field(
                        pod.obj,
                        &format!("/spec/{path}/{field}"),
                        "what the pod starts",
                    ));
                }
                out.push(finding);
            }
        }
    }
    for m in loose(
        cx,
        "said.exec-not-found",
        "the runtime did not find the program",
    ) {
        // Probes and hooks run programs too; only a container that is not started is meant here.
        if m.text.contains("probe") {
            continue;
        }
        let Some(program) = program(&m.text) else {
            continue;
        };
        out.push(
            RULE.on(m.pod.clone())
                .key(program)
                .title(format!(
                    "{} starts {program}, which its image does not have",
                    called(&m.pod)
                ))
                .why("The container never ran: there is no log to read.")
                .term(88, "the runtime names the program that it did not find")
                .cite(m.evidence)
                .safe("See what the image starts by itself.", "crane config IMAGE")
                .advice("Correct command or args in the template.")
                .dont("Don't look for the reason in the program: it never ran."),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::program;

    #[test]
    fn only_a_container_that_does_not_start_counts() {
        let start = |rest: &str| format!("OCI runtime create failed: runc create failed: {rest}");
        assert_eq!(
            program(&start(
                "exec: \"serve\": executable file not found in $PATH"
            )),
            Some("serve")
        );
        assert_eq!(
            program(&start(
                "exec: \"/app/strat\": stat /app/strat: no such file or directory"
            )),
            Some("/app/strat")
        );
        for runs in [
            "OCI runtime exec failed: exec failed: unable to start container process: exec: \"ps\": executable file not found in $PATH",
            "failed to exec in container: failed to start exec \"aa\": exec: \"bash\": executable file not found in $PATH",
        ] {
            assert_eq!(program(runs), None);
        }
    }
}
