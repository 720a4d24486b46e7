import { podSpecTexts } from './pod-texts.ts'
import { prefixed, type Texts } from './texts.ts'

const common: Texts = { spec: 'What is wanted.', status: 'How it is.' }

/** Fields that hold a template of pods. */
const template: Texts = {
  template: 'What the pods look like.',
  'template.metadata': 'Labels and annotations of the pods.',
  'template.spec': 'What the pods are to be.',
  ...prefixed('template.spec', podSpecTexts),
}

const history: Texts = { revisionHistoryLimit: 'So many old versions are kept to go back to.' }

const selected: Texts = {
  selector: 'Labels by which its pods are found; the template has them too. Cannot be changed.',
  'selector.matchLabels': 'Labels with their values.',
  'selector.matchExpressions': 'Further conditions.',
  minReadySeconds: 'So long must a new pod be ready before it counts.',
  ...template,
}

const counts: Texts = {
  replicas: 'How many pods there are.',
  readyReplicas: 'How many are ready.',
  availableReplicas: 'How many have been ready for long enough.',
  updatedReplicas: 'How many are of the newest version.',
  unavailableReplicas: 'How many are still missing.',
  fullyLabeledReplicas: 'How many have all labels of the template.',
  observedGeneration: 'Generation that the status speaks of.',
  conditions: 'Facts about it.',
}

const rollingUpdate: Texts = {
  type: 'RollingUpdate, or all at once.',
  rollingUpdate: 'How far a step goes.',
  'rollingUpdate.maxUnavailable': 'Most pods that may be missing meanwhile: a number or a share.',
  'rollingUpdate.maxSurge': 'Most pods that there may be too many meanwhile: a number or a share.',
  'rollingUpdate.partition': 'Pods with a lower number keep the old version.',
}

export const deploymentTexts: Texts = {
  ...common,
  ...prefixed('spec', {
    ...selected,
    ...history,
    strategy: 'How pods of a new version take over.',
    ...prefixed('strategy', rollingUpdate),
    paused: 'Whether changes of the template are held back.',
    progressDeadlineSeconds: 'After so long without progress the roll-out has failed.',
  }),
  ...prefixed('status', counts),
}

export const replicaSetTexts: Texts = { ...common, ...prefixed('spec', selected), ...prefixed('status', counts) }

export const statefulSetTexts: Texts = {
  ...common,
  ...prefixed('spec', {
    ...selected,
    ...history,
    serviceName: 'Headless Service that gives the pods their names.',
    podManagementPolicy: 'OrderedReady: one after the other; Parallel: all at once.',
    updateStrategy: 'How pods of a new version take over.',
    ...prefixed('updateStrategy', rollingUpdate),
    volumeClaimTemplates: 'Storage that each pod gets of its own.',
  }),
  ...prefixed('status', counts),
}

export const daemonSetTexts: Texts = {
  ...common,
  ...prefixed('spec', {
    ...selected,
    ...history,
    updateStrategy: 'How pods of a new version take over.',
    ...prefixed('updateStrategy', rollingUpdate),
  }),
  ...prefixed('status', {
    ...counts,
    desiredNumberScheduled: 'How many nodes should have a pod.',
    currentNumberScheduled: 'How many nodes have one.',
    numberReady: 'How many are ready.',
    numberAvailable: 'How many have been ready for long enough.',
    numberMisscheduled: 'How many nodes have one and should not.',
  }),
}

const jobSpec: Texts = {
  ...template,
  parallelism: 'So many pods run at a time.',
  completions: 'So many must succeed.',
  backoffLimit: 'After so many failures the Job has failed.',
  activeDeadlineSeconds: 'After so long the Job has failed.',
  ttlSecondsAfterFinished: 'So long after its end it is deleted.',
  suspend: 'Whether it rests.',
  completionMode: 'Indexed gives each pod a number of its own.',
  selector: 'Labels by which its pods are found; set by the server.',
}

export const jobTexts: Texts = {
  ...common,
  ...prefixed('spec', jobSpec),
  ...prefixed('status', {
    active: 'How many pods run.',
    succeeded: 'How many have succeeded.',
    failed: 'How many have failed.',
    startTime: 'When it began.',
    completionTime: 'When it had succeeded.',
    conditions: 'Complete, Failed or Suspended.',
  }),
}

export const cronJobTexts: Texts = {
  ...common,
  ...prefixed('spec', {
    schedule: 'When, in the form of cron: minute, hour, day, month, day of the week.',
    timeZone: 'Time zone of the schedule.',
    concurrencyPolicy: 'Allow, Forbid or Replace, when the Job before still runs.',
    startingDeadlineSeconds: 'A Job that could not start for so long is left out.',
    suspend: 'Whether it rests.',
    successfulJobsHistoryLimit: 'So many Jobs that succeeded are kept.',
    failedJobsHistoryLimit: 'So many Jobs that failed are kept.',
    jobTemplate: 'What the Jobs look like.',
    'jobTemplate.spec': 'What the Jobs are to do.',
    ...prefixed('jobTemplate.spec', jobSpec),
  }),
}
