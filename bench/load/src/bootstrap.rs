//! Decides how the configurations of the Envoys differ that are compared: all are made from the one that `farebox
//! render envoy` writes, so that nothing differs but what is named.
//!
//! What this program does not find where it expects it is an error: a configuration that was patched in vain would
//! be measured under a wrong name.
//!
//! Does not start Envoy: see `envoy.rs`.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::BenchError;

const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
const ROUTE: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes/0";
const ROUTER: &str = "envoy.filters.http.router";
const FILTER: &str = "farebox";
const FILE_LOG: &str = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
/// Room for the largest body that is sent.
const BODY_LIMIT: u64 = 33_619_968;

/// The configuration of one Envoy.
#[derive(Clone, Debug)]
pub(crate) struct Bootstrap(Value);

impl Bootstrap {
    /// As it was rendered, but on free ports.
    ///
    /// # Errors
    /// If it is no YAML, or not of the known form.
    pub(crate) fn rendered(yaml: &str) -> Result<Self, BenchError> {
        let value = serde_saphyr::from_str(yaml).map_err(|error| BenchError::Form(error.to_string()))?;
        let mut this = Self(value);
        *this.at("/admin/address")? = free_port();
        *this.at("/static_resources/listeners/0/address")? = free_port();
        this.filter(FILTER)?;
        Ok(this)
    }

    /// What somebody writes who wants a proxy and nothing else: Envoy's defaults, but for a timeout that would cut
    /// long streams.
    pub(crate) fn default_proxy(upstream: SocketAddr) -> Self {
        let endpoint = json!({"endpoint": {"address": {"socket_address":
            {"address": upstream.ip().to_string(), "port_value": upstream.port()}}}});
        let manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "ingress",
            "http_filters": [{"name": ROUTER, "typed_config":
                {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes":
                [{"match": {"prefix": "/"}, "route": {"cluster": "local", "timeout": "0s"}}]}]},
        });
        Self(json!({
            "admin": {"address": free_port()},
            "static_resources": {
                "listeners": [{"name": "main", "address": free_port(), "filter_chains": [{"filters":
                    [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}],
                "clusters": [{"name": "local", "type": "STATIC", "load_assignment":
                    {"cluster_name": "local", "endpoints": [{"lb_endpoints": [endpoint]}]}}],
            },
        }))
    }

    /// As text, which Envoy reads.
    pub(crate) fn text(&self) -> String {
        self.0.to_string()
    }

    /// The access log that is configured, into a file.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn log_to(&mut self, path: &Path) -> Result<(), BenchError> {
        let logs = self.at(&format!("{MANAGER}/access_log"))?;
        for log in logs.as_array_mut().into_iter().flatten() {
            let typed = object(log.get_mut("typed_config"))?;
            typed.insert("@type".into(), json!(FILE_LOG));
            typed.insert("path".into(), json!(path));
            object(Some(log))?.insert("name".into(), json!("envoy.access_loggers.file"));
        }
        Ok(())
    }

    /// Takes out the filter behind the router and what the router retries, if they are there.
    ///
    /// # Errors
    /// If there is no router or no route.
    pub(crate) fn leave_attempts_out(&mut self) -> Result<(), BenchError> {
        let router = self.filter(ROUTER)?;
        object(router.get_mut("typed_config"))?.remove("upstream_http_filters");
        let route = self.at(ROUTE)?;
        object(route.get_mut("route"))?.remove("retry_policy");
        Ok(())
    }

    /// Whether the filter stands behind the router too.
    pub(crate) fn has_attempts(&self) -> bool {
        self.0.to_string().contains("upstream_http_filters")
    }

    /// Takes out Farebox and what is there for it alone: both filters, the access log, and what its route needs.
    ///
    /// # Errors
    /// If something of it is not there.
    pub(crate) fn leave_farebox_out(&mut self) -> Result<(), BenchError> {
        self.leave_attempts_out()?;
        let manager = object(self.0.pointer_mut(MANAGER))?;
        manager.remove("access_log");
        let filters = manager.get_mut("http_filters").and_then(Value::as_array_mut);
        filters.ok_or_else(missing("filters"))?.retain(|filter| filter["name"] == ROUTER);
        let route = object(self.0.pointer_mut(ROUTE))?;
        for member in ["request_body_buffer_limit", "request_headers_to_remove"] {
            route.remove(member);
        }
        let action = object(route.get_mut("route"))?;
        action.remove("inline_cluster_specifier_plugin").ok_or_else(missing("the choice of a cluster"))?;
        action.remove("host_rewrite");
        action.insert("cluster".into(), json!("local"));
        let text = self.text();
        if text.contains("wasm.v3") || text.contains("retry_policy") {
            return Err(BenchError::Form("something of Farebox is left in the plain proxy".into()));
        }
        Ok(())
    }

    /// An ordinary access log in JSON.
    ///
    /// # Errors
    /// If there is no connection manager.
    pub(crate) fn add_log(&mut self, path: &Path) -> Result<(), BenchError> {
        let format = json!({
            "time": "%START_TIME%", "id": "%REQ(X-REQUEST-ID)%", "method": "%REQ(:METHOD)%",
            "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "protocol": "%PROTOCOL%", "status": "%RESPONSE_CODE%",
            "flags": "%RESPONSE_FLAGS%", "details": "%RESPONSE_CODE_DETAILS%", "duration_ms": "%DURATION%",
            "bytes_received": "%BYTES_RECEIVED%", "bytes_sent": "%BYTES_SENT%", "cluster": "%UPSTREAM_CLUSTER%",
            "upstream": "%UPSTREAM_HOST%", "client": "%DOWNSTREAM_REMOTE_ADDRESS%", "agent": "%REQ(USER-AGENT)%",
        });
        let manager = object(self.0.pointer_mut(MANAGER))?;
        let log = json!({"name": "envoy.access_loggers.file", "typed_config":
            {"@type": FILE_LOG, "path": path, "log_format": {"json_format": format}}});
        manager.insert("access_log".into(), json!([log]));
        Ok(())
    }

    /// A filter of another kind before the router, set up as Farebox is.
    ///
    /// # Errors
    /// If there are no filters.
    pub(crate) fn add_filter(&mut self, wasm: &Path) -> Result<(), BenchError> {
        let filters = self.at(&format!("{MANAGER}/http_filters"))?;
        let filter = json!({"name": "empty", "typed_config": {"@type": WASM, "config": {
            "name": "empty", "root_id": "empty", "allow_on_headers_stop_iteration": true, "failure_policy": "FAIL_RELOAD",
            "vm_config": {"runtime": "envoy.wasm.runtime.v8", "vm_id": "empty", "code": {"local": {"filename": wasm}}},
        }}});
        filters.as_array_mut().ok_or_else(missing("filters"))?.insert(0, filter);
        let route = object(self.0.pointer_mut(ROUTE))?;
        route.insert("request_body_buffer_limit".into(), json!(BODY_LIMIT));
        Ok(())
    }

    fn at(&mut self, pointer: &str) -> Result<&mut Value, BenchError> {
        self.0.pointer_mut(pointer).ok_or_else(missing(pointer))
    }

    fn filter(&mut self, name: &str) -> Result<&mut Value, BenchError> {
        let filters = self.at(&format!("{MANAGER}/http_filters"))?.as_array_mut();
        let found = filters.into_iter().flatten().find(|filter| filter["name"] == name);
        found.ok_or_else(missing(name))
    }
}

fn free_port() -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}})
}

fn missing(what: &str) -> impl FnOnce() -> BenchError {
    move || BenchError::Form(format!("{what} is not where it is expected in Envoy's configuration"))
}

fn object(value: Option<&mut Value>) -> Result<&mut Map<String, Value>, BenchError> {
    value.and_then(Value::as_object_mut).ok_or_else(missing("an object"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Bootstrap {
        Bootstrap::rendered(include_str!("../../../envoy/envoy.yaml")).unwrap()
    }

    fn names(bootstrap: &Bootstrap) -> Vec<String> {
        let filters = bootstrap.0.pointer(&format!("{MANAGER}/http_filters")).unwrap();
        filters.as_array().unwrap().iter().map(|filter| filter["name"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_rendered_configuration_keeps_everything_but_its_ports() {
        let bootstrap = sample();
        assert_eq!(names(&bootstrap), ["farebox", ROUTER]);
        assert_eq!(bootstrap.0["admin"]["address"]["socket_address"]["port_value"], 0);
        assert!(bootstrap.has_attempts());
    }

    #[test]
    fn nothing_of_farebox_is_left_in_the_plain_proxy_and_all_else_stays() {
        let mut plain = sample();
        plain.leave_farebox_out().unwrap();
        assert_eq!(names(&plain), [ROUTER]);
        let manager = plain.0.pointer(MANAGER).unwrap();
        assert!(manager.get("access_log").is_none());
        assert_eq!(manager["normalize_path"], true);
        let route = &plain.0.pointer(ROUTE).unwrap()["route"];
        assert_eq!(*route, json!({"cluster": "local", "timeout": "0s"}));
        assert_eq!(plain.0["static_resources"]["clusters"], sample().0["static_resources"]["clusters"]);
    }

    #[test]
    fn attempts_can_be_left_out_of_farebox_alone() {
        let mut bootstrap = sample();
        bootstrap.leave_attempts_out().unwrap();
        assert_eq!(names(&bootstrap), ["farebox", ROUTER]);
        assert!(!bootstrap.has_attempts());
        assert!(!bootstrap.text().contains("retry_policy"));
        bootstrap.leave_attempts_out().unwrap(); // there is nothing to leave out, which is as well
    }

    #[test]
    fn a_log_goes_to_a_file_in_its_own_format() {
        let mut bootstrap = sample();
        bootstrap.log_to(Path::new("/logs/access")).unwrap();
        let log = bootstrap.0.pointer(&format!("{MANAGER}/access_log/0/typed_config")).unwrap();
        assert_eq!(log["path"], "/logs/access");
        assert_eq!(log["@type"], FILE_LOG);
        assert!(
            log["log_format"]["text_format_source"]["inline_string"].as_str().unwrap().contains("farebox")
        );
    }

    #[test]
    fn what_is_not_of_the_known_form_is_refused() {
        assert!(matches!(Bootstrap::rendered("admin: {}"), Err(BenchError::Form(_))));
        let mut without_log = sample();
        without_log.leave_farebox_out().unwrap();
        assert!(matches!(without_log.log_to(Path::new("/x")), Err(BenchError::Form(_))));
    }

    #[test]
    fn the_empty_filter_stands_before_the_router() {
        let mut bootstrap = sample();
        bootstrap.leave_farebox_out().unwrap();
        bootstrap.add_filter(Path::new("empty.wasm")).unwrap();
        assert_eq!(names(&bootstrap), ["empty", ROUTER]);
        assert_eq!(bootstrap.0.pointer(ROUTE).unwrap()["request_body_buffer_limit"], BODY_LIMIT);
    }
}
