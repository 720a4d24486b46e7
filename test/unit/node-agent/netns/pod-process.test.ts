import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isKernelThread, podUidOf, startTimeOf } from '../../../../src/node-agent/netns/pod-process.ts'

const UID = '0f2c6e4a-9b1d-4c3e-8a57-1d2e3f405162'
const FLAT = UID.replaceAll('-', '')
const OTHER = 'aaaaaaaa-9b1d-4c3e-8a57-1d2e3f405162'
const CONTAINER = 'd4'.repeat(32)

const found: readonly (readonly [what: string, cgroup: string])[] = [
  [
    'containerd, systemd driver',
    `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UID.replaceAll('-', '_')}.slice/cri-containerd-${CONTAINER}.scope\n`,
  ],
  ['containerd, cgroupfs driver', `0::/kubepods/besteffort/pod${UID}/${CONTAINER}\n`],
  ['CRI-O', `0::/kubepods.slice/kubepods-pod${UID.replaceAll('-', '_')}.slice/crio-${CONTAINER}.scope/container\n`],
  ['Docker, cgroup v1', `12:pids:/kubepods/pod${UID}/${CONTAINER}\n11:cpu:/kubepods/pod${UID}/${CONTAINER}\n`],
  [
    'seen from another container',
    `0::/../../kubepods-pod${UID.replaceAll('-', '_')}.slice/cri-containerd-${CONTAINER}.scope\n`,
  ],
  ['without separators', `0::/kubepods/pod${FLAT}/${CONTAINER}\n`],
]

const notFound: readonly (readonly [what: string, cgroup: string])[] = [
  ['nothing', ''],
  ['a service of the node', '0::/system.slice/kubelet.service\n'],
  ['a user session', `0::/user.slice/user-0.slice/session-${CONTAINER}.scope\n`],
  ['a container of no pod', `0::/docker/${CONTAINER}\n`],
  ['a word that ends in pod', `0::/kubepods/tripod${UID}/x\n`],
  ['an id that is too long', `0::/kubepods/pod${UID}0/x\n`],
  ['a pod that calls a group of its own after another', `0::/kubepods/pod${UID}/${CONTAINER}/pod${OTHER}/x\n`],
]

describe('the pod of a process', () => {
  it.each(found)('is read from its cgroup: %s', (_what, cgroup) => expect(podUidOf(cgroup)).toBe(UID))
  it.each(notFound)('is nobody: %s', (_what, cgroup) => expect(podUidOf(cgroup)).toBeUndefined())

  it('is nobody, or one uid, whatever the text', () => {
    const part = fc.oneof(fc.string(), fc.constantFrom('/pod', UID, '-', '_', '/kubepods', FLAT, '\n'))
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const uid = podUidOf(parts.join(''))
        if (uid !== undefined) expect(uid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      }),
    )
  })
})

describe('when a process was started', () => {
  const stat = (name: string): string => `7 (${name}) S ${Array.from({ length: 49 }, (_, i) => i + 4).join(' ')}\n`

  it.each(['sh', 'a) S 1 (b', ')', ''])('is read behind the name %j', (name) =>
    expect(startTimeOf(stat(name))).toBe(22),
  )
  it.each(['', '7 (sh) S 1 2', 'nonsense'])('is not known from %j', (text) => expect(startTimeOf(text)).toBeUndefined())
})

describe("a thread of the kernel's own", () => {
  it.each([
    ['2 (kthreadd) S 0 0 0 0 -1 2129984 0 0', true],
    ['1 (init) S 0 1 1 0 -1 4194560 0 0', false],
    ['9 (kthreadd) S 0 1 1 0 -1 4194560 0 0', false],
    ['', false],
  ])('is known by its flags, whatever its name: %s', (stat, expected) => expect(isKernelThread(stat)).toBe(expected))
})
