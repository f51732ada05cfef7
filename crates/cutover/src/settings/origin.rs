//! Where a run comes from, as far as the environment says: for its record in the database.
//!
//! To add a CI system or platform: its line in [`SYSTEMS`]. Sources: each system's documentation of its predefined variables.

use super::Surroundings;
use ops::record::Origin;
use system::network::node_name;

/// What a system sets.
struct System {
    name: &'static str,
    /// The variable whose presence tells it.
    known_by: &'static str,
    /// The address of the run: one variable, or several that are joined.
    url: &'static [&'static str],
    commit: &'static str,
    branch: &'static str,
    actor: &'static str,
}

/// The systems, the most particular first: a platform may run inside of another.
const SYSTEMS: [System; 12] = [
    System {
        name: "GitHub Actions",
        known_by: "GITHUB_ACTIONS",
        url: &["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "=actions/runs", "GITHUB_RUN_ID"],
        commit: "GITHUB_SHA",
        branch: "GITHUB_REF_NAME",
        actor: "GITHUB_ACTOR",
    },
    System {
        name: "GitLab CI",
        known_by: "GITLAB_CI",
        url: &["CI_JOB_URL"],
        commit: "CI_COMMIT_SHA",
        branch: "CI_COMMIT_REF_NAME",
        actor: "GITLAB_USER_LOGIN",
    },
    System {
        name: "CircleCI",
        known_by: "CIRCLECI",
        url: &["CIRCLE_BUILD_URL"],
        commit: "CIRCLE_SHA1",
        branch: "CIRCLE_BRANCH",
        actor: "CIRCLE_USERNAME",
    },
    System {
        name: "Buildkite",
        known_by: "BUILDKITE",
        url: &["BUILDKITE_BUILD_URL"],
        commit: "BUILDKITE_COMMIT",
        branch: "BUILDKITE_BRANCH",
        actor: "BUILDKITE_BUILD_CREATOR",
    },
    System {
        name: "Jenkins",
        known_by: "JENKINS_URL",
        url: &["BUILD_URL"],
        commit: "GIT_COMMIT",
        branch: "GIT_BRANCH",
        actor: "BUILD_USER_ID",
    },
    System {
        name: "Azure Pipelines",
        known_by: "TF_BUILD",
        url: &[
            "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI",
            "SYSTEM_TEAMPROJECT",
            "=_build/results?buildId",
            "BUILD_BUILDID",
        ],
        commit: "BUILD_SOURCEVERSION",
        branch: "BUILD_SOURCEBRANCHNAME",
        actor: "BUILD_REQUESTEDFOR",
    },
    System {
        name: "Bitbucket Pipelines",
        known_by: "BITBUCKET_BUILD_NUMBER",
        url: &["BITBUCKET_GIT_HTTP_ORIGIN", "=pipelines/results", "BITBUCKET_BUILD_NUMBER"],
        commit: "BITBUCKET_COMMIT",
        branch: "BITBUCKET_BRANCH",
        actor: "BITBUCKET_STEP_TRIGGERER_UUID",
    },
    System {
        name: "Vercel",
        known_by: "VERCEL",
        url: &["VERCEL_URL"],
        commit: "VERCEL_GIT_COMMIT_SHA",
        branch: "VERCEL_GIT_COMMIT_REF",
        actor: "VERCEL_GIT_COMMIT_AUTHOR_LOGIN",
    },
    System {
        name: "Railway",
        known_by: "RAILWAY_ENVIRONMENT",
        url: &["RAILWAY_STATIC_URL"],
        commit: "RAILWAY_GIT_COMMIT_SHA",
        branch: "RAILWAY_GIT_BRANCH",
        actor: "RAILWAY_GIT_AUTHOR",
    },
    System {
        name: "Render",
        known_by: "RENDER",
        url: &["RENDER_EXTERNAL_URL"],
        commit: "RENDER_GIT_COMMIT",
        branch: "RENDER_GIT_BRANCH",
        actor: "",
    },
    System {
        name: "Fly.io",
        known_by: "FLY_APP_NAME",
        url: &["FLY_APP_NAME"],
        commit: "",
        branch: "",
        actor: "",
    },
    System {
        name: "Kubernetes",
        known_by: "KUBERNETES_SERVICE_HOST",
        url: &[],
        commit: "",
        branch: "",
        actor: "",
    },
];

/// Where this run comes from.
pub(crate) fn origin(surroundings: &Surroundings) -> Origin {
    let value = |name: &str| surroundings.variable(name).map(str::to_owned);
    let mut origin = Origin {
        host: value("HOSTNAME").or_else(node_name),
        user: value("USER").or_else(|| value("LOGNAME")),
        ..Origin::default()
    };
    let Some(system) = SYSTEMS.iter().find(|system| value(system.known_by).is_some()) else { return origin };
    origin.ci = Some(system.name.to_owned());
    origin.url = url(system, &value);
    origin.commit = value(system.commit);
    origin.branch = value(system.branch);
    origin.actor = value(system.actor);
    origin
}

fn url(system: &System, value: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut url = String::new();
    for part in system.url {
        let text = match part.strip_prefix('=') {
            Some(literal) => literal.to_owned(),
            None => value(part)?,
        };
        if !url.is_empty() && !url.ends_with('/') {
            url.push(if url.ends_with("buildId") { '=' } else { '/' });
        }
        url.push_str(&text);
    }
    (!url.is_empty()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    fn of(pairs: &[(&str, &str)]) -> Origin {
        let variables: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        origin(&Surroundings { variables, current_dir: PathBuf::new() })
    }

    #[test]
    fn a_run_of_a_ci_system_is_known_with_its_address_and_commit() {
        let found = of(&[
            ("HOSTNAME", "pod-1"),
            ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "acme/shop"),
            ("GITHUB_RUN_ID", "42"),
            ("GITHUB_SHA", "abc"),
            ("GITHUB_ACTOR", "anna"),
        ]);
        assert_eq!(found.ci.as_deref(), Some("GitHub Actions"));
        assert_eq!(found.url.as_deref(), Some("https://github.com/acme/shop/actions/runs/42"));
        assert_eq!((found.commit.as_deref(), found.actor.as_deref()), (Some("abc"), Some("anna")));
        assert_eq!(found.host.as_deref(), Some("pod-1"));
    }

    #[test]
    fn without_a_system_there_is_a_machine_and_a_user() {
        let found = of(&[("USER", "anna")]);
        assert_eq!((found.user.as_deref(), found.ci), (Some("anna"), None));
        assert!(found.host.is_some());
        // An address of which a part is missing is none.
        let half = of(&[("GITHUB_ACTIONS", "true"), ("GITHUB_RUN_ID", "1")]);
        assert_eq!(half.url, None);
    }
}
