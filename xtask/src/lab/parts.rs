//! What the lab is made of: programs, the Go modules they come from, and where each is kept.
//! Deliberately absent: versions; the go.mod files under lab/build are the only place for them.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::LabError;
use super::error::file;

/// Counts changes of flags or layout that a module version does not show.
const RECIPE: u32 = 1;

/// One upstream project, built from its own module under lab/build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upstream {
    /// The folder under lab/build, and the first half of the cache folder's name.
    pub folder: &'static str,
    /// The module whose version names the cache folder.
    pub module: &'static str,
    /// Packages whose version variables are set when linking, or a single variable.
    pub stamped: &'static [&'static str],
    /// Build tags, separated by commas: what upstream leaves out of its own releases too.
    pub tags: &'static str,
    /// It is built with a C compiler, as upstream builds it.
    pub cgo: bool,
    /// It is no upstream but a program of this project, in a folder of lab itself, kept by its content.
    pub own: bool,
}

/// One program of the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The program's name.
    pub name: &'static str,
    /// The main package.
    pub package: &'static str,
    /// Where it comes from.
    pub upstream: &'static Upstream,
}

/// Where Kubernetes' programs read their version.
const KUBERNETES_STAMPS: &[&str] = &[
    "k8s.io/component-base/version",
    "k8s.io/client-go/pkg/version",
];

/// Kubernetes; client-go's copy of the version is what the User-Agent in an audit log shows.
pub static KUBERNETES: Upstream = Upstream {
    folder: "kubernetes",
    module: "k8s.io/kubernetes",
    stamped: KUBERNETES_STAMPS,
    tags: "",
    cgo: false,
    own: false,
};

/// The Kubernetes release after that one, for a host that is upgraded before its servers.
pub static LATER_KUBERNETES: Upstream = Upstream {
    folder: "later-kubernetes",
    module: "k8s.io/kubernetes",
    stamped: KUBERNETES_STAMPS,
    tags: "",
    cgo: false,
    own: false,
};

/// containerd of the line that the later kubelet wants; Debian's is older.
pub static CONTAINERD: Upstream = Upstream {
    folder: "containerd",
    module: "github.com/containerd/containerd/v2",
    stamped: &["github.com/containerd/containerd/v2/version.Version"],
    tags: "",
    cgo: false,
    own: false,
};

/// etcd, whose three programs share one version.
pub static ETCD: Upstream = Upstream {
    folder: "etcd",
    module: "go.etcd.io/etcd/server/v3",
    stamped: &[],
    tags: "",
    cgo: false,
    own: false,
};

/// KWOK, which plays nodes and pods.
pub static KWOK: Upstream = Upstream {
    folder: "kwok",
    module: "sigs.k8s.io/kwok",
    stamped: &[],
    tags: "",
    cgo: false,
    own: false,
};

/// Troubleshoot.sh, whose bundles are read.
pub static TROUBLESHOOT: Upstream = Upstream {
    folder: "troubleshoot",
    module: "github.com/replicatedhq/troubleshoot",
    stamped: &[],
    // From its Makefile: without them it wants C libraries for images, which no bundle needs.
    tags: "containers_image_openpgp,exclude_graphdriver_btrfs,exclude_graphdriver_devicemapper",
    cgo: false,
    own: false,
};

/// Our own program that writes a large cluster into an etcd: Kubernetes' types and encoders.
pub static FILL: Upstream = Upstream {
    folder: "fill",
    module: "k8s.io/api",
    stamped: &[],
    tags: "",
    cgo: false,
    own: false,
};

/// The program that makes a support bundle. No control plane needs it, so it is built apart: where that
/// fails, only its own test is skipped.
pub static SUPPORT_BUNDLE: Part = Part {
    name: "support-bundle",
    package: "github.com/replicatedhq/troubleshoot/cmd/troubleshoot",
    upstream: &TROUBLESHOOT,
};

/// bbolt's own program, which checks a database page by page. It comes with etcd's modules, and no control plane
/// needs it.
pub static BBOLT: Part = Part {
    name: "bbolt",
    package: "go.etcd.io/bbolt/cmd/bbolt",
    upstream: &ETCD,
};

/// kine, which keeps what an API server stores in SQLite: with upstream's SQLite in C, as k3s has it.
pub static KINE_MODULE: Upstream = Upstream {
    folder: "kine",
    module: "github.com/k3s-io/kine",
    stamped: &[],
    tags: "",
    cgo: true,
    own: false,
};

/// kine's own program. No control plane here needs it.
pub static KINE: Part = Part {
    name: "kine",
    package: "github.com/k3s-io/kine",
    upstream: &KINE_MODULE,
};

/// What stands in for k3s on the lab's nodes: a program of ours.
pub static K3S_MODULE: Upstream = Upstream {
    folder: "k3s",
    module: "defib.dev/lab/k3s",
    stamped: &[],
    tags: "",
    cgo: false,
    own: true,
};

/// The stand-in's program.
pub static K3S: Part = Part {
    name: "k3s",
    package: ".",
    upstream: &K3S_MODULE,
};

/// What runs pods beside Debian's containerd; no control plane needs it.
pub static AGENT_PARTS: &[Part] = &[
    Part {
        name: "kubelet",
        package: "k8s.io/kubernetes/cmd/kubelet",
        upstream: &KUBERNETES,
    },
    Part {
        name: "kube-proxy",
        package: "k8s.io/kubernetes/cmd/kube-proxy",
        upstream: &KUBERNETES,
    },
];

/// What an upgrade of an agent brings; nothing else needs it.
pub static LATER_PARTS: &[Part] = &[
    Part {
        name: "kubelet",
        package: "k8s.io/kubernetes/cmd/kubelet",
        upstream: &LATER_KUBERNETES,
    },
    Part {
        name: "kube-proxy",
        package: "k8s.io/kubernetes/cmd/kube-proxy",
        upstream: &LATER_KUBERNETES,
    },
    Part {
        name: "containerd",
        package: "github.com/containerd/containerd/v2/cmd/containerd",
        upstream: &CONTAINERD,
    },
    Part {
        name: "containerd-shim-runc-v2",
        package: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
        upstream: &CONTAINERD,
    },
    Part {
        name: "ctr",
        package: "github.com/containerd/containerd/v2/cmd/ctr",
        upstream: &CONTAINERD,
    },
];

/// CoreDNS, alone in its module.
pub static COREDNS_MODULE: Upstream = Upstream {
    folder: "coredns",
    module: "github.com/coredns/coredns",
    stamped: &[],
    tags: "",
    cgo: false,
    own: false,
};

/// CoreDNS' own program: the cluster's DNS as a pod, and the resolver of the lab's network.
pub static COREDNS: Part = Part {
    name: "coredns",
    package: "github.com/coredns/coredns",
    upstream: &COREDNS_MODULE,
};

/// What is in the lab's container images, and what packs them: programs of this project.
pub static IMAGES_MODULE: Upstream = Upstream {
    folder: "images",
    module: "defib.dev/lab/images",
    stamped: &[],
    tags: "",
    cgo: false,
    own: true,
};

/// Docker's own command line, for labs whose hosts are containers.
pub static DOCKER_MODULE: Upstream = Upstream {
    folder: "docker",
    module: "github.com/docker/cli",
    stamped: &["github.com/docker/cli/cli/version.Version"],
    tags: "",
    cgo: false,
    own: false,
};

/// Its program.
pub static DOCKER: Part = Part {
    name: "docker",
    package: "github.com/docker/cli/cmd/docker",
    upstream: &DOCKER_MODULE,
};

/// What makes hosts the containers of an engine: a program of this project.
pub static SHAPES_MODULE: Upstream = Upstream {
    folder: "shapes",
    module: "defib.dev/lab/shapes",
    stamped: &[],
    tags: "",
    cgo: false,
    own: true,
};

/// Its program.
pub static SHAPES: Part = Part {
    name: "shapes",
    package: ".",
    upstream: &SHAPES_MODULE,
};

/// What runs a host by a wrong clock: a program of this project.
pub static CLOCK_MODULE: Upstream = Upstream {
    folder: "clock",
    module: "defib.dev/lab/clock",
    stamped: &[],
    tags: "",
    cgo: false,
    own: true,
};

/// Its program.
pub static CLOCK: Part = Part {
    name: "clock",
    package: ".",
    upstream: &CLOCK_MODULE,
};

/// Holds a pod's namespaces.
pub static PAUSE: Part = Part {
    name: "pause",
    package: "./pause",
    upstream: &IMAGES_MODULE,
};

/// What pods run beside busybox: a small server, and an eater of memory.
pub static TOOL: Part = Part {
    name: "tool",
    package: "./tool",
    upstream: &IMAGES_MODULE,
};

/// Packs files as a container image.
pub static ARCHIVE: Part = Part {
    name: "archive",
    package: "./archive",
    upstream: &IMAGES_MODULE,
};

/// The command line of a person.
pub const KUBECTL: Part = Part {
    name: "kubectl",
    package: "k8s.io/kubernetes/cmd/kubectl",
    upstream: &KUBERNETES,
};

/// All programs of a control plane, the slowest build first within its upstream so that the rest find a warm cache.
pub static PARTS: &[Part] = &[
    Part {
        name: "etcd",
        package: "go.etcd.io/etcd/server/v3",
        upstream: &ETCD,
    },
    Part {
        name: "etcdctl",
        package: "go.etcd.io/etcd/etcdctl/v3",
        upstream: &ETCD,
    },
    Part {
        name: "etcdutl",
        package: "go.etcd.io/etcd/etcdutl/v3",
        upstream: &ETCD,
    },
    Part {
        name: "kube-apiserver",
        package: "k8s.io/kubernetes/cmd/kube-apiserver",
        upstream: &KUBERNETES,
    },
    Part {
        name: "kube-controller-manager",
        package: "k8s.io/kubernetes/cmd/kube-controller-manager",
        upstream: &KUBERNETES,
    },
    Part {
        name: "kube-scheduler",
        package: "k8s.io/kubernetes/cmd/kube-scheduler",
        upstream: &KUBERNETES,
    },
    KUBECTL,
    Part {
        name: "kwok",
        package: "sigs.k8s.io/kwok/cmd/kwok",
        upstream: &KWOK,
    },
];

/// Files of the KWOK module that say how a node and a pod behave, in the order they are joined.
pub(crate) const KWOK_STAGES: &[&str] = &[
    "kustomize/stage/node/fast/node-initialize.yaml",
    "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "kustomize/stage/pod/fast/pod-ready.yaml",
    "kustomize/stage/pod/fast/pod-complete.yaml",
    "kustomize/stage/pod/fast/pod-delete.yaml",
];

impl Upstream {
    /// The module directory that builds it, inside the checkout.
    #[must_use]
    pub fn recipe(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(if self.own { "../lab" } else { "../lab/build" })
            .join(self.folder)
    }

    /// The version that the recipe asks for, or what stands for the content of our own.
    pub fn version(&self) -> Result<String, LabError> {
        if self.own {
            return content(&self.recipe());
        }
        let path = self.recipe().join("go.mod");
        let text = fs::read_to_string(&path).map_err(file("read", &path))?;
        required_version(&text, self.module)
            .map(str::to_owned)
            .ok_or(LabError::NoVersion {
                path,
                module: self.module,
            })
    }

    /// The folder in the cache that holds what the present recipe makes.
    pub fn folder_in(&self, cache: &Path) -> Result<PathBuf, LabError> {
        Ok(cache.join(format!("{}-{}-r{RECIPE}", self.folder, self.version()?)))
    }
}

/// Stands for all that a module of our own is built from: names and bytes, tests and words left out.
fn content(folder: &Path) -> Result<String, LabError> {
    let mut paths = Vec::new();
    sources(folder, &mut paths)?;
    paths.sort();
    let mut hash = Sha256::new();
    for path in paths {
        let bytes = fs::read(&path).map_err(file("read", &path))?;
        let name = path.strip_prefix(folder).unwrap_or(&path);
        hash.update(name.as_os_str().as_encoded_bytes());
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
    }
    let digest = hash.finalize();
    Ok(digest.iter().take(6).map(|b| format!("{b:02x}")).collect())
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), LabError> {
    for entry in fs::read_dir(folder).map_err(file("list", folder))? {
        let path = entry.map_err(file("list", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let source = name.ends_with(".go") || name.ends_with(".yaml") || name.starts_with("go.");
        if path.is_dir() {
            sources(&path, found)?;
        } else if source && !name.ends_with("_test.go") {
            found.push(path);
        }
    }
    Ok(())
}

/// The version of a module in a go.mod, whether required alone or in a block.
fn required_version<'text>(go_mod: &'text str, module: &str) -> Option<&'text str> {
    go_mod.lines().find_map(|line| {
        let line = line.trim();
        let line = line.strip_prefix("require ").unwrap_or(line);
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some(module))
            .then(|| words.next())
            .flatten()
            .filter(|word| word.starts_with('v'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_committed_recipes() {
        let apart = [&SUPPORT_BUNDLE, &BBOLT, &KINE, &COREDNS, &DOCKER];
        for part in PARTS
            .iter()
            .chain(AGENT_PARTS)
            .chain(LATER_PARTS)
            .chain(apart)
        {
            let version = part.upstream.version().unwrap();
            assert!(version.starts_with('v'), "{}: {version}", part.name);
        }
    }

    #[test]
    fn our_own_program_is_known_by_its_content_without_its_tests() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("go.mod", "module x");
        write("main.go", "package main");
        let before = content(folder.path()).unwrap();
        write("main_test.go", "package main // test");
        write("README.md", "words");
        assert_eq!(content(folder.path()).unwrap(), before);
        write("main.go", "package main // changed");
        let changed = content(folder.path()).unwrap();
        assert_ne!(changed, before);
        // Files that a program holds are a part of it.
        write("manifest.yaml", "kind: Pod");
        assert_ne!(content(folder.path()).unwrap(), changed);
    }

    #[test]
    fn a_replace_or_tool_line_is_not_a_requirement() {
        let text = "tool a.b/c\nreplace a.b/c => d v9.9.9\nrequire (\n\ta.b/c/d v2.0.0\n\ta.b/c v1.2.3 // indirect\n)\n";
        assert_eq!(required_version(text, "a.b/c"), Some("v1.2.3"));
        assert_eq!(
            required_version("require a.b/c v4.5.6\n", "a.b/c"),
            Some("v4.5.6")
        );
        assert_eq!(required_version(text, "x.y/z"), None);
    }
}
