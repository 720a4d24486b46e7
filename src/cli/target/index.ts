export {
  chooseTarget,
  DEFAULT_STATE,
  meshTarget,
  noMesh,
  type Target,
  type TargetFacts,
  type TargetFlags,
} from './choose-target.ts'
export { type OpenTarget, withTarget } from './open-target.ts'
