# The pod of a Deployment's that runs one command and reads its standard input: docs/kubernetes.md. Same image, settings,
# topology and secrets, and a limit of memory of its own.
.spec.template.spec
| .restartPolicy = "Never"
| del(.topologySpreadConstraints)
| .containers[0] |= (
    del(.startupProbe, .livenessProbe, .readinessProbe, .lifecycle, .ports)
    | .args = $args
    | .stdin = true
    | .stdinOnce = true
    | .resources = {requests: {cpu: "250m", memory: $memory}, limits: {memory: $memory}}
  )
| {apiVersion: "v1", spec: .}
