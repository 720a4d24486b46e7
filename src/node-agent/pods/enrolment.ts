import { decideEnrolment, type EnrolmentBar, type Pod } from '#shared/k8s'
import type { WorkloadInfo } from '#shared/zds'

/** What this node wants of its pods. */
export interface EnrolmentSettings {
  readonly nodeName: string
  readonly excludedNamespaces: ReadonlySet<string>
  /** DNS goes to the tunnel, unless a pod says otherwise. */
  readonly isDnsCaptured: boolean
}

/** A pod whose traffic belongs to the mesh. */
export interface EnrolledPod {
  readonly uid: string
  readonly info: WorkloadInfo
  /** By which its namespace is known for its own; empty until it has any. */
  readonly ips: readonly string[]
  /** See `redirect`'s CaptureMode. */
  readonly inbound: 'captured' | 'bypassed'
  readonly isDnsCaptured: boolean
  readonly virtualInterfaces: readonly string[]
}

export type PodPlan =
  | { readonly kind: 'capture'; readonly pod: EnrolledPod }
  | {
      readonly kind: 'leave'
      readonly uid: string
      readonly ips: readonly string[]
      readonly because: LeaveReason
      /** Its processes are gone, so there is nothing to undo inside. */
      readonly hasEnded: boolean
    }

export type LeaveReason = EnrolmentBar | 'ended' | 'deleted' | 'tunnel'

const BYPASS_INBOUND = 'ambient.istio.io/bypass-inbound-capture'
const DNS_CAPTURE = 'ambient.istio.io/dns-capture'
const VIRTUAL_INTERFACES = 'istio.io/reroute-virtual-interfaces'

/** The tunnel itself: redirecting it to itself would cut the whole node off. */
const TUNNEL_APP = 'ztunnel'

/**
 * Whether a pod of any node is to be captured here, and how. Undefined for pods of other nodes.
 * @see istio-control-plane a.1; the rule who belongs to the mesh is `shared/k8s` decideEnrolment
 */
export function planPod(
  pod: Pod,
  namespaceLabels: Readonly<Record<string, string>>,
  settings: EnrolmentSettings,
): PodPlan | undefined {
  const { metadata, spec, status } = pod
  if (spec.nodeName !== settings.nodeName) return undefined
  const { uid, name, namespace, labels, annotations } = metadata
  const leave = (because: LeaveReason): PodPlan => {
    return { kind: 'leave', uid, ips: status.podIPs, because, hasEnded: because === 'ended' }
  }
  if (status.phase === 'Succeeded' || status.phase === 'Failed') return leave('ended')
  if (labels.app === TUNNEL_APP && labels['istio.io/dataplane-mode'] !== 'ambient') return leave('tunnel')
  const facts = {
    namespace,
    namespaceLabels,
    podLabels: labels,
    podAnnotations: annotations,
    isHostNetwork: spec.hostNetwork,
  }
  const enrolment = decideEnrolment(facts, settings.excludedNamespaces)
  if (enrolment.kind === 'not-enrolled') return leave(enrolment.because)
  return {
    kind: 'capture',
    pod: {
      uid,
      info: { name, namespace, serviceAccount: spec.serviceAccountName },
      ips: status.podIPs,
      inbound: parseGoBool(annotations[BYPASS_INBOUND]) === true ? 'bypassed' : 'captured',
      isDnsCaptured: parseGoBool(annotations[DNS_CAPTURE]) ?? settings.isDnsCaptured,
      virtualInterfaces: listOf(annotations[VIRTUAL_INTERFACES]),
    },
  }
}

/** What Go's strconv.ParseBool takes, as Istio reads these annotations; undefined for anything else. */
function parseGoBool(text: string | undefined): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text ?? '')) return true
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text ?? '')) return false
  return undefined
}

function listOf(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}
