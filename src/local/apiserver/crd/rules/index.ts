export { compileProblem, type RuleProblem, ruleProblems } from './rule-problems.ts'
