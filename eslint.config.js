// Lint: typescript-eslint's strictest type-checked rules, and for every rule relaxed, why.
import { defineConfig } from 'eslint/config'
import tseslint from 'typescript-eslint'

export default defineConfig(
  { ignores: ['dist/', 'node_modules/', '.tools/', 'tmp/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      // `== null` asks for null and undefined at once.
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        {
          selector: "CallExpression[callee.object.name='process'][callee.property.name='exit']",
          message: 'process.exit() hangs while a worker reads /dev/fuse: end the work instead.',
        },
      ],
      // A lost promise is lost data. node:test awaits its own tests.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: ['test', 'it', 'describe', 'suite'] },
          ],
        },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      // Numbers in messages are what messages are for.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // `() => emit(x)` and `return this.#next()` are the shortest way to say it, and the type of
      // the function says void.
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      // `Promise.withResolvers<void>()` has no other name.
      '@typescript-eslint/no-invalid-void-type': 'off',
      // `while (true)` reads best for a loop that ends by return.
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      // A contract's method may be async and have nothing to await in one implementation.
      '@typescript-eslint/require-await': 'off',
      // Bytes at an offset that was just checked: the check is on the line above, `!` says so.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // An argument that a contract names and this implementation ignores; `using _permit`.
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
    },
  },
  // Programs that people start talk to them.
  {
    files: [
      'src/{cli,node}/**',
      'scripts/**',
      'benchmarks/**',
      'examples/**',
      'test/**',
      '**/*.test.ts',
    ],
    rules: { 'no-console': 'off' },
  },
)
