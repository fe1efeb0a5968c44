//! What the tests need on the machine, and installing it on Debian.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sh::{Outcome, has, root, run, target};

/// A Debian package, and the file by which we know that it is there.
struct Package {
    name: &'static str,
    proof: &'static str,
}

const PACKAGES: &[Package] = &[
    Package { name: "chromium", proof: "/usr/bin/chromium" },
    Package { name: "chromium-driver", proof: "/usr/bin/chromedriver" },
    Package { name: "postgresql", proof: "/usr/lib/postgresql" },
    Package { name: "request-tracker5", proof: "/usr/share/request-tracker5/libexec/rt-server" },
    Package { name: "rt5-db-sqlite", proof: "/usr/share/doc/rt5-db-sqlite" },
    Package { name: "rt5-standalone", proof: "/usr/share/doc/rt5-standalone" },
    Package { name: "rsyslog", proof: "/usr/sbin/rsyslogd" },
    Package { name: "rsyslog-gnutls", proof: "/usr/share/doc/rsyslog-gnutls" },
    Package { name: "python3-venv", proof: "/usr/share/doc/python3-venv" },
    Package { name: "ffmpeg", proof: "/usr/bin/ffmpeg" },
    Package { name: "tesseract-ocr", proof: "/usr/bin/tesseract" },
];

/// What only the benchmarks need.
const BENCH_PACKAGES: &[Package] = &[
    Package { name: "nginx-light", proof: "/usr/sbin/nginx" },
    Package { name: "wrk", proof: "/usr/bin/wrk" },
];

/// What a journal can be in, besides files.
const DATABASE_PACKAGES: &[Package] = &[Package { name: "postgresql", proof: "/usr/lib/postgresql" }];

/// What pictures of pages, and videos of them, are made with.
const PICTURE_PACKAGES: &[Package] = &[
    Package { name: "chromium", proof: "/usr/bin/chromium" },
    Package { name: "ffmpeg", proof: "/usr/bin/ffmpeg" },
];

/// Installs the real peers that the tests run against: Chromium, Request Tracker, an OpenID provider, Python.
pub(crate) fn prepare_for_tests() -> Outcome {
    let mut missing = missing(PACKAGES);
    for (program, package) in [("cc", "gcc"), ("node", "nodejs"), ("npm", "npm")] {
        if !has(program) {
            missing.push(package);
        }
    }
    install(&missing)?;
    node_modules()?;
    python_packages()
}

/// Installs what the benchmarks run next to.
pub(crate) fn prepare_for_benches() -> Outcome {
    install(&missing(BENCH_PACKAGES))
}

/// Installs the database that a journal can be in.
pub(crate) fn prepare_for_databases() -> Outcome {
    install(&missing(DATABASE_PACKAGES))
}

/// Installs what renders and films marked pages.
pub(crate) fn prepare_for_pictures() -> Outcome {
    install(&missing(PICTURE_PACKAGES))
}

fn missing(packages: &[Package]) -> Vec<&'static str> {
    packages.iter().filter(|p| !Path::new(p.proof).exists()).map(|p| p.name).collect()
}

fn install(packages: &[&str]) -> Outcome {
    if packages.is_empty() {
        return Ok(());
    }
    let by_hand = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if !has("apt-get") {
        return Err(format!(
            "missing: {}. This is no Debian machine; install them by its own means, or run `cargo xtask test \
             --fast`, which leaves real apps and browsers out",
            packages.join(", ")
        ));
    }
    let apt = |args: &[&str]| {
        let mut command = if has("sudo") && !is_root() {
            let mut sudo = Command::new("sudo");
            sudo.args(["--non-interactive", "--preserve-env=DEBIAN_FRONTEND", "apt-get"]);
            sudo
        } else {
            Command::new("apt-get")
        };
        command.env("DEBIAN_FRONTEND", "noninteractive").args(args);
        run(&mut command)
    };
    apt(&["update", "-qq"]).map_err(|why| format!("{why}; as root: {by_hand}"))?;
    let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
    args.extend(packages);
    apt(&args).map_err(|why| format!("{why}; as root: {by_hand}"))
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}

/// Installs the npm packages of `crates/peers/oidc` beside the build, where the peers look for them.
fn node_modules() -> Outcome {
    let from = root().join("crates/peers/oidc");
    let into = target().join("peers/npm");
    let lock = from.join("package-lock.json");
    let wanted = std::fs::read(&lock).map_err(|e| format!("{}: {e}", lock.display()))?;
    let installed = into.join("installed-lock.json");
    if std::fs::read(&installed).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    std::fs::create_dir_all(&into).map_err(|e| format!("{}: {e}", into.display()))?;
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(from.join(file), into.join(file)).map_err(|e| format!("{file}: {e}"))?;
    }
    run(Command::new("npm").current_dir(&into).args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]))?;
    std::fs::write(&installed, wanted).map_err(|e| format!("{}: {e}", installed.display()))
}

/// What `tools/verify.py` needs besides Python itself.
const PYTHON_PACKAGES: &[&str] = &["cryptography==46.0.3"];

/// Makes a Python environment with these packages beside the build, where the peers look for it.
fn python_packages() -> Outcome {
    python_environment(&target().join("peers/python"), &[PYTHON_PACKAGES])
}

/// Other people's watermarks, and what they import. The last would bring PyTorch for a method that is not tried here, so
/// what it needs otherwise is named instead.
const WATERMARK_PACKAGES: &[&str] =
    &["blind-watermark==0.4.4", "opencv-python-headless", "PyWavelets", "numpy", "Pillow"];
const WITHOUT_DEPENDENCIES: &[&str] = &["--no-deps", "invisible-watermark==0.2.0"];

/// The Python with other people's watermarks in it.
pub(crate) fn prepare_for_watermarks() -> Outcome<PathBuf> {
    let into = target().join("peers/watermarks");
    python_environment(&into, &[WATERMARK_PACKAGES, WITHOUT_DEPENDENCIES])?;
    Ok(into.join("bin/python3"))
}

/// Makes a Python environment; each list is one call of pip.
fn python_environment(into: &Path, packages: &[&[&str]]) -> Outcome {
    let (wanted, installed) = (packages.concat().join("\n"), into.join("installed"));
    if std::fs::read_to_string(&installed).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    run(Command::new("/usr/bin/python3").args(["-m", "venv", "--clear"]).arg(into))?;
    for list in packages {
        let pip = into.join("bin/pip");
        run(Command::new(pip).args(["install", "--quiet", "--disable-pip-version-check"]).args(*list))?;
    }
    std::fs::write(&installed, wanted).map_err(|e| format!("{}: {e}", installed.display()))
}
