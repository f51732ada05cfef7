//! A Galera cluster of MariaDB servers.

use super::Server;
use crate::port;
use crate::wait::wait_until;
use std::path::Path;

/// Where the packages put Galera's library.
const LIBRARIES: &[&str] = &[
    "/usr/lib/galera/libgalera_smm.so",
    "/usr/lib64/galera-4/libgalera_smm.so",
    "/usr/lib/libgalera_smm.so",
];

impl Server {
    /// Starts a cluster of two nodes, both in step when this returns.
    ///
    /// # Panics
    /// When Galera is not installed, naming the script that installs it, or does not start.
    pub fn cluster() -> [Self; 2] {
        let first_port = port::free();
        let first = Self::with_owned(options(first_port, "gcomm://", &["--wsrep-new-cluster"]));
        let second = Self::with_owned(options(port::free(), &format!("gcomm://127.0.0.1:{first_port}"), &[]));
        for node in [&first, &second] {
            wait_until("the node is in step with the cluster", || {
                node.sql("SHOW STATUS LIKE 'wsrep_local_state_comment'").ends_with("Synced")
                    && node.sql("SHOW STATUS LIKE 'wsrep_cluster_size'").ends_with('2')
            });
        }
        [first, second]
    }

    fn with_owned(options: Vec<String>) -> Self {
        Self::start_with(|_, _| options)
    }
}

fn options(group_port: u16, cluster: &str, more: &[&str]) -> Vec<String> {
    let library = LIBRARIES
        .iter()
        .find(|file| Path::new(file).exists())
        .expect("Galera is not installed; run scripts/install-test-servers.sh");
    let mut options = vec![
        "--binlog-format=ROW".to_owned(),
        "--innodb-autoinc-lock-mode=2".to_owned(),
        "--wsrep-on=ON".to_owned(),
        format!("--wsrep-provider={library}"),
        format!("--wsrep-cluster-address={cluster}"),
        format!("--wsrep-node-address=127.0.0.1:{group_port}"),
        "--wsrep-sst-method=rsync".to_owned(),
        format!("--wsrep-sst-receive-address=127.0.0.1:{}", port::free()),
        format!(
            "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{group_port};ist.recv_addr=127.0.0.1:{};\
             gcache.size=16M;gcache.page_size=16M",
            port::free()
        ),
    ];
    options.extend(more.iter().map(|option| (*option).to_owned()));
    options
}
